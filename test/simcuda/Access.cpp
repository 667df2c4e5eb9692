//===- Access.cpp - What a kernel may touch, and what it touches ----------===//

#include "test/simcuda/Access.h"
#include "runtime/abi/fsdprt.h"

#include <cstring>

using namespace simcuda;

bool Window::mayLoad() const {
  return access == FSDPRT_ACCESS_READ || access == FSDPRT_ACCESS_READ_WRITE;
}

bool Window::mayStore() const { return access != FSDPRT_ACCESS_READ; }

void Intervals::add(uint64_t begin, uint64_t end) {
  auto next = ends.upper_bound(begin);
  if (next != ends.begin()) {
    auto before = std::prev(next);
    if (before->second >= end)
      return;
    if (before->second >= begin) {
      begin = before->first;
      next = before;
    }
  }
  while (next != ends.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = ends.erase(next);
  }
  ends[begin] = end;
}

void Intervals::appendTo(std::vector<Range> &ranges, int access) const {
  for (auto [begin, end] : ends)
    ranges.push_back({begin, end - begin, access});
}

/// Of windows that overlap, one that is an operand: a kernel in place reads it.
const Window *Access::find(const char *at, uint64_t bytes, bool load) {
  const Window *&last = load ? lastLoad : lastStore;
  if (last && last->contains(at, bytes))
    return last;
  const Window *found = nullptr;
  for (const Window &window : windows) {
    if (!window.contains(at, bytes))
      continue;
    bool fits = load ? window.mayLoad() : window.mayStore();
    if (fits)
      return last = &window;
    found = &window;
  }
  return found;
}

static bool allSet(const uint8_t *flags, uint64_t bytes) {
  if (bytes == 4) {
    uint32_t four;
    std::memcpy(&four, flags, 4);
    return four == 0x01010101;
  }
  if (bytes == 2)
    return flags[0] & flags[1];
  return !std::memchr(flags, 0, bytes);
}

static void setAll(uint8_t *flags, uint64_t bytes) {
  constexpr uint32_t four = 0x01010101;
  if (bytes == 4)
    std::memcpy(flags, &four, 4);
  else
    std::memset(flags, 1, bytes);
}

std::string Access::outside(const char *verb, const char *at,
                            uint64_t bytes) const {
  std::string text = std::string(verb) + " " + std::to_string(bytes) + " bytes";
  for (const Window &window : windows) {
    constexpr int64_t near = 4096;
    int64_t past = at - (window.begin + window.bytes);
    int64_t before = window.begin - at;
    if (past >= -int64_t(bytes) && past < near)
      return text + " " + std::to_string(past) + " past the end of the " +
             std::to_string(window.bytes) + " at " +
             std::to_string(window.address);
    if (before > 0 && before < near)
      return text + " " + std::to_string(before) + " before the " +
             std::to_string(window.bytes) + " at " +
             std::to_string(window.address);
  }
  return text + " outside of all that it may touch";
}

bool Access::mayLoad(const char *at, uint64_t bytes) {
  const Window *window = find(at, bytes, /*load=*/true);
  if (!window)
    return false;
  uint64_t offset = at - window->begin;
  if (!announced)
    loads.add(window->address + offset, window->address + offset + bytes);
  bool mayBeUnwritten = window->mayLoad() && !uninitialized;
  return !window->written || mayBeUnwritten ||
         allSet(window->written + offset, bytes);
}

bool Access::mayStore(const char *at, uint64_t bytes) {
  const Window *window = find(at, bytes, /*load=*/false);
  if (!window || !window->mayStore())
    return false;
  uint64_t offset = at - window->begin;
  if (!announced)
    stores.add(window->address + offset, window->address + offset + bytes);
  if (window->written)
    setAll(window->written + offset, bytes);
  return true;
}

static std::string place(const char *verb, const Window &window, const char *at,
                         uint64_t bytes) {
  return std::string(verb) + " " + std::to_string(bytes) + " bytes " +
         std::to_string(at - window.begin) + " into the " +
         std::to_string(window.bytes) + " at " + std::to_string(window.address);
}

std::string Access::explainLoad(const char *at, uint64_t bytes) {
  const Window *window = find(at, bytes, /*load=*/true);
  if (!window)
    return outside("loads", at, bytes);
  return place("loads", *window, at, bytes) +
         (window->mayLoad()
              ? ", which were never written"
              : ", which it has not written, as a result or scratch");
}

std::string Access::explainStore(const char *at, uint64_t bytes) {
  const Window *window = find(at, bytes, /*load=*/false);
  if (!window)
    return outside("stores", at, bytes);
  return place("stores", *window, at, bytes) + ", which were announced as read";
}

static bool overlap(const Window &a, const Window &b) {
  return a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

/// What lies in an operand's place is read before it is written.
void Access::forgetResults() {
  for (const Window &result : windows) {
    bool inPlace = result.mayLoad();
    for (const Window &operand : windows)
      inPlace |= operand.mayLoad() && overlap(operand, result);
    if (!inPlace && result.written)
      std::memset(result.written, 0, result.bytes);
  }
}

void Access::forgetScratch() {
  for (const Window &window : windows)
    if (window.access == FSDPRT_ACCESS_SCRATCH && window.written)
      std::memset(window.written, 0, window.bytes);
}

std::vector<Range> Access::touched() const {
  std::vector<Range> ranges;
  loads.appendTo(ranges, FSDPRT_ACCESS_READ);
  stores.appendTo(ranges, FSDPRT_ACCESS_WRITE);
  return ranges;
}
