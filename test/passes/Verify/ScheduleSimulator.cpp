//===- ScheduleSimulator.cpp - Every run of a small schedule --------------===//
#include "ScheduleSimulator.h"

#include <algorithm>
#include <cassert>
#include <unordered_set>

using namespace fsdp::schedule;

bool Outcome::hasRace(Place a, Place b) const {
  auto found = races.find(a.rank);
  if (found == races.end() || a.rank != b.rank)
    return false;
  std::pair<size_t, size_t> pair = std::minmax(a.dispatch, b.dispatch);
  return std::find(found->second.begin(), found->second.end(), pair) !=
         found->second.end();
}

namespace {
/// Where a run is: 5 bits a queue, twice the dispatches that have ended there,
/// one more if the next is in progress.
using State = uint64_t;
constexpr unsigned kBits = 5, kMask = 31;

/// One stream of one rank.
struct Queue {
  size_t rank;
  std::vector<size_t> dispatches;
};

/// Two dispatches of a rank that touch the same bytes, one writing.
struct Conflict {
  size_t rank, a, b;
  bool together = false, aFirst = false, bFirst = false;
};

class Simulator {
public:
  /// With `blocking`, what follows a dispatch of stream 0 in issue order does
  /// not start before it has ended.
  Simulator(const Schedule &schedule, bool blocking);
  void run(Outcome &outcome);

private:
  enum Progress { Waiting, Running, Ended };

  void addQueues(size_t rank);
  void addConflicts(size_t rank);
  Progress progressOf(State state, Place place) const;
  bool canStart(State state, Place place) const;
  bool canEnd(State state, Place place, Outcome &outcome) const;
  void look(State state);
  void visit(State state, Outcome &outcome);

  const Schedule &schedule;
  const bool blocking;
  std::vector<Queue> queues;
  std::vector<std::vector<std::pair<size_t, size_t>>>
      positions; // queue, number
  std::vector<Conflict> conflicts;
  std::unordered_set<State> seen;
};
} // namespace

Simulator::Simulator(const Schedule &schedule, bool blocking)
    : schedule(schedule), blocking(blocking), positions(schedule.ranks.size()) {
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    addQueues(rank);
    addConflicts(rank);
  }
  assert(queues.size() * kBits <= 64 && "too many streams");
}

void Simulator::addQueues(size_t rank) {
  std::map<size_t, size_t> queueOfStream;
  for (size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
    auto [it, isNew] = queueOfStream.try_emplace(schedule.ranks[rank][i].stream,
                                                 queues.size());
    if (isNew)
      queues.push_back({rank, {}});
    std::vector<size_t> &queue = queues[it->second].dispatches;
    positions[rank].emplace_back(it->second, queue.size());
    queue.push_back(i);
    assert(queue.size() < 16 && "too many dispatches");
  }
}

static bool conflict(const Dispatch &a, const Dispatch &b) {
  for (const Touch &x : a.touches)
    for (const Touch &y : b.touches)
      if (x.arena == y.arena && (x.writes || y.writes) &&
          std::max(x.begin, y.begin) < std::min(x.end, y.end))
        return true;
  return false;
}

void Simulator::addConflicts(size_t rank) {
  const std::vector<Dispatch> &program = schedule.ranks[rank];
  for (size_t b = 0; b < program.size(); ++b)
    for (size_t a = 0; a < b; ++a)
      if (conflict(program[a], program[b]))
        conflicts.push_back({rank, a, b});
}

Simulator::Progress Simulator::progressOf(State state, Place place) const {
  auto [queue, number] = positions[place.rank][place.dispatch];
  size_t at = (state >> (queue * kBits)) & kMask;
  return at > 2 * number + 1 ? Ended : at == 2 * number + 1 ? Running : Waiting;
}

bool Simulator::canStart(State state, Place place) const {
  const std::vector<Dispatch> &program = schedule.ranks[place.rank];
  auto hasEnded = [&](size_t dispatch) {
    return progressOf(state, {place.rank, dispatch}) == Ended;
  };
  for (size_t event : program[place.dispatch].waits)
    if (!hasEnded(event))
      return false;
  for (size_t i = 0; blocking && i < place.dispatch; ++i)
    if (program[i].stream == 0 && !hasEnded(i))
      return false;
  return true;
}

/// The dispatch of a rank that is its `number`th use of a communicator.
static std::optional<size_t> useOf(const std::vector<Dispatch> &program,
                                   size_t communicator, size_t number) {
  for (size_t i = 0; i < program.size(); ++i)
    if (program[i].collective &&
        program[i].collective->communicator == communicator && number-- == 0)
      return i;
  return std::nullopt;
}

bool Simulator::canEnd(State state, Place place, Outcome &outcome) const {
  const std::vector<Dispatch> &program = schedule.ranks[place.rank];
  const auto &collective = program[place.dispatch].collective;
  if (!collective)
    return true;
  size_t number = 0;
  for (size_t i = 0; i < place.dispatch; ++i)
    number += program[i].collective &&
              program[i].collective->communicator == collective->communicator;
  for (size_t rank : schedule.communicators[collective->communicator]) {
    auto other = useOf(schedule.ranks[rank], collective->communicator, number);
    if (!other || progressOf(state, {rank, *other}) == Waiting)
      return false;
    if (!(schedule.ranks[rank][*other].collective == collective))
      outcome.mismatch = true;
  }
  return true;
}

void Simulator::look(State state) {
  for (Conflict &pair : conflicts) {
    Progress a = progressOf(state, {pair.rank, pair.a});
    Progress b = progressOf(state, {pair.rank, pair.b});
    pair.together |= a == Running && b == Running;
    pair.aFirst |= a == Ended && b == Waiting;
    pair.bFirst |= b == Ended && a == Waiting;
  }
}

void Simulator::visit(State first, Outcome &outcome) {
  std::vector<State> toDo = {first};
  seen.insert(first);
  while (!toDo.empty()) {
    State state = toDo.back();
    toDo.pop_back();
    look(state);
    bool isOver = true, isStuck = true;
    for (size_t q = 0; q < queues.size(); ++q) {
      size_t at = (state >> (q * kBits)) & kMask;
      if (at / 2 >= queues[q].dispatches.size())
        continue;
      isOver = false;
      Place place{queues[q].rank, queues[q].dispatches[at / 2]};
      if (at % 2 == 0 ? !canStart(state, place)
                      : !canEnd(state, place, outcome))
        continue;
      isStuck = false;
      State next = state + (State(1) << (q * kBits));
      if (seen.insert(next).second)
        toDo.push_back(next);
    }
    outcome.deadlock |= !isOver && isStuck;
  }
}

void Simulator::run(Outcome &outcome) {
  visit(0, outcome);
  for (const Conflict &pair : conflicts)
    if (!blocking && (pair.together || (pair.aFirst && pair.bFirst)))
      outcome.races[pair.rank].emplace_back(pair.a, pair.b);
}

/// What issuing alone shows.
static void issue(const std::vector<Dispatch> &program, Outcome &outcome) {
  std::map<size_t, size_t> streamOf; // by communicator
  for (size_t i = 0; i < program.size(); ++i) {
    for (size_t event : program[i].waits)
      outcome.badEvent |= event >= i;
    if (!program[i].collective)
      continue;
    auto [it, isNew] = streamOf.try_emplace(program[i].collective->communicator,
                                            program[i].stream);
    outcome.twoStreams |= it->second != program[i].stream;
  }
}

Outcome fsdp::schedule::simulate(const Schedule &schedule) {
  Outcome outcome;
  for (const std::vector<Dispatch> &program : schedule.ranks)
    issue(program, outcome);
  // A device runs ahead of what it issues, the CPU does not: the one meets more
  // states, the other blocks more.
  Simulator(schedule, /*blocking=*/false).run(outcome);
  Simulator(schedule, /*blocking=*/true).run(outcome);
  return outcome;
}
