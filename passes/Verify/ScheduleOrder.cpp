//===- ScheduleOrder.cpp - What has ended before a dispatch starts --------===//
#include "passes/Verify/ScheduleOrder.h"

#include <algorithm>

using namespace fsdp::schedule;

JointOrder::JointOrder(const Schedule &schedule) : schedule(schedule) {
  size_t dispatches = 0;
  for (const auto &rank : schedule.ranks) {
    firstOfRank.push_back(dispatches);
    dispatches += rank.size();
    for (const Dispatch &dispatch : rank)
      streams = std::max(streams, dispatch.stream + 1);
  }
  waits.resize(2 * dispatches);
  done.resize(2 * dispatches);
  numberInStream.resize(dispatches);
  clocks.resize(2 * dispatches * schedule.ranks.size() * streams);
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    addRank(rank);
  addCollectives();
  sort();
}

Place JointOrder::placeOf(size_t node) const {
  auto next =
      std::upper_bound(firstOfRank.begin(), firstOfRank.end(), node / 2);
  size_t rank = next - firstOfRank.begin() - 1;
  return {rank, node / 2 - firstOfRank[rank]};
}

void JointOrder::addWait(size_t node, size_t predecessor, bool orders) {
  waits[node].push_back({predecessor, orders});
}

void JointOrder::addRank(size_t rank) {
  std::vector<std::optional<size_t>> last(streams);
  std::vector<size_t> count(streams);
  for (size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
    const Dispatch &dispatch = schedule.ranks[rank][i];
    Place place{rank, i};
    size_t start = startOf(place);
    addWait(endOf(place), start);
    if (last[dispatch.stream])
      addWait(start, endOf({rank, *last[dispatch.stream]}));
    for (size_t event : dispatch.waits)
      addWait(start, endOf({rank, event}));
    if (last[0])
      addWait(start, endOf({rank, *last[0]}), /*orders=*/false);
    last[dispatch.stream] = i;
    numberInStream[start / 2] = ++count[dispatch.stream];
  }
}

void JointOrder::addCollectives() {
  // By communicator and number in its sequence: a place on each member.
  std::vector<std::vector<std::vector<Place>>> met(
      schedule.communicators.size());
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    std::vector<size_t> next(met.size());
    for (size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
      const auto &collective = schedule.ranks[rank][i].collective;
      if (!collective)
        continue;
      auto &sequence = met[collective->communicator];
      size_t number = next[collective->communicator]++;
      if (number == sequence.size())
        sequence.emplace_back();
      sequence[number].push_back({rank, i});
    }
  }
  for (const auto &sequence : met)
    for (const std::vector<Place> &members : sequence)
      for (Place member : members)
        for (Place other : members)
          if (!(member == other))
            addWait(endOf(member), startOf(other));
}

/// Lets happen what can, as long as anything can.
void JointOrder::sort() {
  std::vector<std::vector<size_t>> successors(waits.size());
  std::vector<size_t> missing(waits.size()), ready;
  for (size_t node = 0; node < waits.size(); ++node) {
    missing[node] = waits[node].size();
    for (const Wait &wait : waits[node])
      successors[wait.node].push_back(node);
    if (missing[node] == 0)
      ready.push_back(node);
  }
  while (!ready.empty()) {
    size_t node = ready.back();
    ready.pop_back();
    done[node] = 1;
    advanceClock(node);
    if (node % 2 == 0)
      started.push_back(placeOf(node));
    for (size_t successor : successors[node])
      if (--missing[successor] == 0)
        ready.push_back(successor);
  }
}

void JointOrder::advanceClock(size_t node) {
  size_t width = schedule.ranks.size() * streams;
  uint32_t *clock = &clocks[node * width];
  for (const Wait &wait : waits[node]) {
    const uint32_t *other = &clocks[wait.node * width];
    for (size_t i = 0; wait.orders && i < width; ++i)
      clock[i] = std::max(clock[i], other[i]);
  }
  if (node % 2 == 0)
    return;
  Place place = placeOf(node);
  size_t stream = schedule.ranks[place.rank][place.dispatch].stream;
  clock[place.rank * streams + stream] = numberInStream[node / 2];
}

bool JointOrder::isBefore(Place a, Place b) const {
  size_t width = schedule.ranks.size() * streams;
  size_t stream = schedule.ranks[a.rank][a.dispatch].stream;
  return clocks[startOf(b) * width + a.rank * streams + stream] >=
         numberInStream[startOf(a) / 2];
}

std::vector<Place> JointOrder::findCycle() const {
  size_t node = std::find(done.begin(), done.end(), 0) - done.begin();
  if (node == done.size())
    return {};
  // What cannot happen waits for something else that cannot: that way back
  // comes to a node a second time.
  std::vector<size_t> way, placeInWay(done.size(), done.size());
  while (placeInWay[node] == done.size()) {
    placeInWay[node] = way.size();
    way.push_back(node);
    for (const Wait &wait : waits[node])
      if (!done[wait.node]) {
        node = wait.node;
        break;
      }
  }
  std::vector<Place> cycle;
  for (size_t i = placeInWay[node]; i < way.size(); ++i) {
    Place place = placeOf(way[i]);
    if (cycle.empty() || !(cycle.back() == place))
      cycle.push_back(place);
  }
  if (cycle.size() > 1 && cycle.front() == cycle.back())
    cycle.pop_back();
  return cycle;
}
