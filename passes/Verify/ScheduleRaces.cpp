//===- ScheduleRaces.cpp - Accesses that nothing orders -------------------===//
//
// Goes through the dispatches in an order in which they may start, and keeps
// for every byte the accesses that the next one has to come after: the last
// write, and the last read of each stream since. Those before these are ordered
// behind them, or were found. A write takes the place of all, so that the
// ranges kept stay few.
//
//===----------------------------------------------------------------------===//
#include "passes/Verify/ScheduleRaces.h"

#include <algorithm>
#include <map>

using namespace fsdp::schedule;

namespace {
/// Accesses of the bytes up to `end`.
struct Segment {
  int64_t end = 0;
  std::optional<Place> write;
  std::vector<Place> reads; ///< one a stream at most
};

/// The bytes of one arena of one rank, by where the segments begin.
class Memory {
public:
  Memory(const Schedule &schedule, const JointOrder &order)
      : schedule(schedule), order(order) {}

  /// Adds an access, or returns its race with another one.
  std::optional<Violation> access(Place place, const Touch &touch) {
    if (touch.begin >= touch.end)
      return std::nullopt;
    splitAt(touch.begin);
    splitAt(touch.end);
    auto first = cover(touch.begin, touch.end);
    auto last = segments.lower_bound(touch.end);
    for (auto it = first; it != last; ++it)
      if (auto other = findUnordered(it->second, place, touch.writes))
        return race(place, *other,
                    {touch.arena, it->first, it->second.end, touch.writes});
    if (touch.writes) {
      segments.erase(first, last);
      segments[touch.begin] = {touch.end, place, {}};
      return std::nullopt;
    }
    for (auto it = first; it != last; ++it)
      addRead(it->second, place);
    return std::nullopt;
  }

private:
  using Segments = std::map<int64_t, Segment>;

  static Violation race(Place at, Place other, Touch touch) {
    Violation found;
    found.rule = Rule::Race;
    found.at = at;
    found.other = other;
    found.touch = touch;
    return found;
  }

  void splitAt(int64_t byte) {
    auto next = segments.upper_bound(byte);
    if (next == segments.begin())
      return;
    auto before = std::prev(next);
    if (before->first == byte || before->second.end <= byte)
      return;
    segments.emplace_hint(next, byte, before->second);
    before->second.end = byte;
  }

  /// Fills the gaps of [begin, end) with segments that nobody has accessed; no
  /// segment reaches over its bounds. Returns the first one.
  Segments::iterator cover(int64_t begin, int64_t end) {
    auto it = segments.lower_bound(begin);
    for (int64_t byte = begin; byte < end; ++it) {
      if (it == segments.end() || it->first > byte) {
        int64_t gapEnd = it == segments.end() ? end : std::min(end, it->first);
        it = segments.emplace_hint(it, byte, Segment{gapEnd, {}, {}});
      }
      byte = it->second.end;
    }
    return segments.lower_bound(begin);
  }

  /// The same dispatch may read and write its own arguments.
  bool mayRace(Place other, Place place) const {
    return !(other == place) && !order.isBefore(other, place);
  }

  std::optional<Place> findUnordered(const Segment &segment, Place place,
                                     bool writes) const {
    if (segment.write && mayRace(*segment.write, place))
      return segment.write;
    if (writes)
      for (Place read : segment.reads)
        if (mayRace(read, place))
          return read;
    return std::nullopt;
  }

  void addRead(Segment &segment, Place place) {
    auto stream = [&](Place p) {
      return schedule.ranks[p.rank][p.dispatch].stream;
    };
    for (Place &read : segment.reads)
      if (stream(read) == stream(place)) {
        read = place;
        return;
      }
    segment.reads.push_back(place);
  }

  const Schedule &schedule;
  const JointOrder &order;
  Segments segments;
};
} // namespace

std::optional<Violation> fsdp::schedule::findRace(const Schedule &schedule,
                                                  const JointOrder &order) {
  std::map<std::pair<size_t, int64_t>, Memory> memories; // by rank and arena
  for (Place place : order.starts())
    for (const Touch &touch :
         schedule.ranks[place.rank][place.dispatch].touches) {
      auto [memory, isNew] =
          memories.try_emplace({place.rank, touch.arena}, schedule, order);
      if (auto found = memory->second.access(place, touch))
        return found;
    }
  return std::nullopt;
}
