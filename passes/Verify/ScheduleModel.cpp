//===- ScheduleModel.cpp - What several ranks may do at once --------------===//
#include "passes/Verify/ScheduleModel.h"
#include "passes/Verify/ScheduleOrder.h"
#include "passes/Verify/ScheduleRaces.h"

#include <algorithm>

using namespace fsdp::schedule;

static Violation violation(Rule rule, Place at,
                           std::optional<Place> other = std::nullopt) {
  Violation result;
  result.rule = rule;
  result.at = at;
  result.other = other;
  return result;
}

static std::optional<Violation> checkEvents(const Schedule &schedule) {
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    for (size_t i = 0; i < schedule.ranks[rank].size(); ++i)
      for (size_t event : schedule.ranks[rank][i].waits)
        if (event >= i)
          return violation(Rule::Event, {rank, i}, Place{rank, event});
  return std::nullopt;
}

static std::optional<Violation> checkStreams(const Schedule &schedule) {
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    const std::vector<Dispatch> &dispatches = schedule.ranks[rank];
    std::vector<std::optional<size_t>> firstUse(schedule.communicators.size());
    for (size_t i = 0; i < dispatches.size(); ++i) {
      if (!dispatches[i].collective)
        continue;
      auto &first = firstUse[dispatches[i].collective->communicator];
      if (!first)
        first = i;
      if (dispatches[*first].stream != dispatches[i].stream)
        return violation(Rule::Stream, {rank, i}, Place{rank, *first});
    }
  }
  return std::nullopt;
}

/// The dispatches of a rank that use a communicator, in issue order.
static std::vector<Place> usesOf(const Schedule &schedule, size_t rank,
                                 size_t communicator) {
  std::vector<Place> uses;
  for (size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
    const auto &collective = schedule.ranks[rank][i].collective;
    if (collective && collective->communicator == communicator)
      uses.push_back({rank, i});
  }
  return uses;
}

/// Where two members' sequences part.
static std::optional<Violation> compare(const Schedule &schedule,
                                        const std::vector<Place> &first,
                                        const std::vector<Place> &second) {
  for (size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i >= first.size())
      return violation(Rule::Order, second[i]);
    if (i >= second.size())
      return violation(Rule::Order, first[i]);
    Place a = first[i], b = second[i];
    if (!(schedule.ranks[a.rank][a.dispatch].collective ==
          schedule.ranks[b.rank][b.dispatch].collective))
      return violation(Rule::Order, b, a);
  }
  return std::nullopt;
}

static std::optional<Violation> checkOrder(const Schedule &schedule) {
  for (size_t i = 0; i < schedule.communicators.size(); ++i) {
    const std::vector<size_t> &members = schedule.communicators[i];
    std::optional<std::vector<Place>> first;
    for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
      std::vector<Place> uses = usesOf(schedule, rank, i);
      if (std::find(members.begin(), members.end(), rank) == members.end()) {
        if (!uses.empty())
          return violation(Rule::Order, uses.front());
        continue;
      }
      if (!first)
        first = uses;
      else if (auto found = compare(schedule, *first, uses))
        return found;
    }
  }
  return std::nullopt;
}

std::optional<Violation>
fsdp::schedule::findViolation(const Schedule &schedule) {
  for (auto check : {checkEvents, checkStreams, checkOrder})
    if (auto found = check(schedule))
      return found;
  JointOrder order(schedule);
  std::vector<Place> cycle = order.findCycle();
  if (!cycle.empty()) {
    Violation found = violation(Rule::Cycle, cycle.front());
    found.cycle = std::move(cycle);
    return found;
  }
  return findRace(schedule, order);
}
