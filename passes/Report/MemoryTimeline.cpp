//===- MemoryTimeline.cpp - What is alive at every dispatch ---------------===//
#include "passes/Report/MemoryTimeline.h"

#include <map>
#include <numeric>
#include <set>

using namespace mlir;
using namespace fsdp;

namespace {
/// The buffers alive at one dispatch, by their place.
class LiveSet {
public:
  void add(rt::BufferOp buffer, int64_t first) {
    alive.insert(
        {{buffer.getArena(), buffer.getOffset(), first, buffer.getId()},
         buffer});
  }
  void remove(rt::BufferOp buffer, int64_t first) {
    alive.erase({buffer.getArena(), buffer.getOffset(), first, buffer.getId()});
  }

  /// Each byte once: of the buffers that hold it, the newest one's.
  LiveBytes sum() const {
    LiveBytes bytes{};
    for (auto it = alive.begin(); it != alive.end();) {
      // A run of buffers that overlap, seldom more than two.
      auto last = it;
      int64_t end = endOf(it->second);
      for (++last; last != alive.end() && overlaps(it, last, end); ++last)
        end = std::max(end, endOf(last->second));
      addRun(it, last, bytes);
      it = last;
    }
    return bytes;
  }

private:
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t>;
  using Map = std::map<Key, rt::BufferOp>;

  static int64_t endOf(rt::BufferOp buffer) {
    return buffer.getOffset() + buffer.getBytes();
  }
  static bool overlaps(Map::const_iterator first, Map::const_iterator next,
                       int64_t end) {
    return std::get<0>(next->first) == std::get<0>(first->first) &&
           std::get<1>(next->first) < end;
  }

  /// Cuts the run where a buffer begins or ends.
  static void addRun(Map::const_iterator begin, Map::const_iterator end,
                     LiveBytes &bytes) {
    if (std::next(begin) == end) {
      rt::BufferOp only = begin->second;
      bytes[size_t(only.getKind())] += only.getBytes();
      return;
    }
    std::set<int64_t> cuts;
    for (auto it = begin; it != end; ++it)
      cuts.insert({int64_t(std::get<1>(it->first)), endOf(it->second)});
    for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
      auto newest = end;
      for (auto it = begin; it != end; ++it)
        if (std::get<1>(it->first) <= *cut && *cut < endOf(it->second) &&
            (newest == end ||
             std::get<2>(newest->first) <= std::get<2>(it->first)))
          newest = it;
      if (newest != end) {
        rt::BufferOp buffer = newest->second;
        bytes[size_t(buffer.getKind())] += *std::next(cut) - *cut;
      }
    }
  }

  Map alive;
};
} // namespace

int64_t fsdp::sumOf(const LiveBytes &bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), int64_t(0));
}

std::vector<LiveBytes>
fsdp::liveBytes(ModuleOp module, rt::PhaseOp phase,
                const DenseMap<int64_t, Lifetime> &lives) {
  size_t count = phase.getBody().front().getOperations().size();
  int64_t begin = PhaseOrder(module).beginOf(phase.getSymName());
  // A life that began or ends in another phase is cut at this one's bounds.
  auto firstOf = [&](Lifetime life) {
    return std::max<int64_t>(life.first - begin, 0);
  };
  std::vector<std::vector<rt::BufferOp>> births(count), deaths(count);
  LiveSet alive;
  llvm::SmallDenseSet<int64_t> seldom; // arenas that not all runs have
  for (auto arena : module.getOps<rt::ArenaOp>())
    if (arena.getRuns())
      seldom.insert(arena.getIndex());
  for (auto buffer : module.getOps<rt::BufferOp>()) {
    if (seldom.contains(buffer.getArena()))
      continue;
    if (buffer.getPhase().empty()) {
      alive.add(buffer, -1);
    } else {
      auto life = lives.find(buffer.getId());
      if (life == lives.end() || life->second.last < begin ||
          life->second.first >= begin + int64_t(count))
        continue; // no dispatch of the phase, or none at all
      births[firstOf(life->second)].push_back(buffer);
      deaths[std::min<int64_t>(life->second.last - begin, count - 1)].push_back(
          buffer);
    }
  }
  std::vector<LiveBytes> timeline;
  LiveBytes current{};
  bool changed = true;
  for (size_t place = 0; place < count; ++place) {
    for (rt::BufferOp buffer : births[place])
      alive.add(buffer, place);
    if (changed || !births[place].empty())
      current = alive.sum();
    timeline.push_back(current);
    for (rt::BufferOp buffer : deaths[place])
      alive.remove(buffer, firstOf(lives.lookup(buffer.getId())));
    changed = !deaths[place].empty();
  }
  return timeline;
}
