//===- RandomSchedule.cpp - Small schedules and what breaks them ----------===//
#include "RandomSchedule.h"

#include <algorithm>
#include <sstream>

using namespace fsdp::schedule;
using Program = std::vector<Dispatch>;

//===----------------------------------------------------------------------===//
// Good schedules
//===----------------------------------------------------------------------===//

Touch RandomSchedule::makeTouch() {
  int64_t begin = below(8);
  return {int64_t(below(2)), begin, begin + 1 + int64_t(below(4)), chance(50)};
}

/// Stream s from 1 on has communicator s - 1, if there are so many.
Dispatch RandomSchedule::makeDispatch(size_t streams, size_t communicators) {
  Dispatch dispatch;
  dispatch.stream = below(streams);
  for (size_t i = 1 + below(2); i > 0; --i)
    dispatch.touches.push_back(makeTouch());
  size_t communicator = dispatch.stream - 1;
  if (dispatch.stream > 0 && communicator < communicators && chance(90))
    dispatch.collective =
        Collective{communicator, chance(80) ? "all_gather" : "all_reduce",
                   chance(50) ? "a" : "b", 64};
  return dispatch;
}

static bool conflict(const Dispatch &a, const Dispatch &b) {
  for (const Touch &x : a.touches)
    for (const Touch &y : b.touches)
      if (x.arena == y.arena && (x.writes || y.writes) && x.begin < y.end &&
          y.begin < x.end)
        return true;
  return false;
}

/// Adds the events that a program needs, and no more.
static void addEvents(Program &program) {
  size_t size = program.size();
  std::vector<std::vector<char>> before(size, std::vector<char>(size));
  for (size_t late = 0; late < size; ++late)
    for (size_t early = late; early-- > 0;) {
      bool sameStream = program[early].stream == program[late].stream;
      if (before[late][early] ||
          (!sameStream && !conflict(program[early], program[late])))
        continue;
      if (!sameStream)
        program[late].waits.push_back(early);
      before[late][early] = 1;
      for (size_t i = 0; i < early; ++i)
        before[late][i] |= before[early][i];
    }
}

Schedule RandomSchedule::makeGood() {
  Schedule schedule;
  bool three = chance(40);
  schedule.ranks.resize(three ? 3 : 2);
  if (three) // a chain of groups
    schedule.communicators = {{0, 1}, {1, 2}};
  else
    schedule.communicators = {{0, 1}, {0, 1}};
  size_t streams = chance(15) ? 2 : three ? 3 : 3 + below(2);
  size_t dispatches = three ? 3 + below(4) : 3 + below(6);
  for (size_t i = 0; i < dispatches; ++i) {
    // One order for all: each rank leaves out what it is no member of.
    Dispatch dispatch = makeDispatch(streams, schedule.communicators.size());
    for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
      bool isMember = true;
      if (dispatch.collective) {
        const auto &members =
            schedule.communicators[dispatch.collective->communicator];
        isMember = std::count(members.begin(), members.end(), rank);
      }
      if (isMember)
        schedule.ranks[rank].push_back(dispatch);
    }
  }
  for (Program &program : schedule.ranks)
    addEvents(program);
  return schedule;
}

//===----------------------------------------------------------------------===//
// Mutations
//===----------------------------------------------------------------------===//

void RandomSchedule::dropEvent(Program &program) {
  std::vector<Dispatch *> waiting;
  for (Dispatch &dispatch : program)
    if (!dispatch.waits.empty())
      waiting.push_back(&dispatch);
  if (waiting.empty())
    return;
  auto &waits = waiting[below(waiting.size())]->waits;
  waits.erase(waits.begin() + below(waits.size()));
}

void RandomSchedule::addEvent(Program &program) {
  size_t a = below(program.size()), b = below(program.size());
  if (chance(90) && a < b)
    std::swap(a, b);
  program[a].waits.push_back(b);
}

void RandomSchedule::changeRange(Program &program) {
  Dispatch &dispatch = program[below(program.size())];
  if (dispatch.touches.empty())
    dispatch.touches.push_back(makeTouch());
  else
    dispatch.touches[below(dispatch.touches.size())] = makeTouch();
}

void RandomSchedule::changeCollective(Program &program) {
  Dispatch &dispatch = program[below(program.size())];
  if (!dispatch.collective)
    return;
  if (chance(50))
    dispatch.collective->bytes += 64;
  else
    dispatch.collective.reset();
}

void RandomSchedule::changeStream(Program &program) {
  Dispatch &dispatch = program[below(program.size())];
  dispatch.stream = below(3);
}

/// Puts `program[from]` at `to`; events follow their dispatches.
static void move(Program &program, size_t from, size_t to) {
  std::vector<size_t> numbers(program.size());
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = i;
  auto shift = [&](auto begin) {
    if (from < to)
      std::rotate(begin + from, begin + from + 1, begin + to + 1);
    else
      std::rotate(begin + to, begin + from, begin + from + 1);
  };
  shift(program.begin());
  shift(numbers.begin());
  std::vector<size_t> placeOf(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i)
    placeOf[numbers[i]] = i;
  for (Dispatch &dispatch : program)
    for (size_t &event : dispatch.waits)
      event = placeOf[event];
}

/// Drops events of dispatches that now come later; with `reverse`, those wait
/// instead.
static void dropLate(Program &program, bool reverse) {
  for (size_t i = 0; i < program.size(); ++i) {
    std::vector<size_t> kept;
    for (size_t event : program[i].waits)
      if (event < i)
        kept.push_back(event);
      else if (reverse && event > i)
        program[event].waits.push_back(i);
    program[i].waits = kept;
  }
}

void RandomSchedule::moveDispatch(Program &program) {
  size_t from = below(program.size()), to = below(program.size());
  move(program, from, to);
  if (chance(50) && from != to) // swap the two
    move(program, from < to ? to - 1 : to + 1, from);
  if (chance(75))
    dropLate(program, chance(60));
}

/// Lets a rank take two collectives of different communicators one after the
/// other, and another rank the other way round.
void RandomSchedule::crossCollectives(Schedule &schedule) {
  size_t crossed = below(schedule.ranks.size());
  std::mt19937_64 start = engine; // the same two, where all issue the same
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    engine = start;
    Program &program = schedule.ranks[rank];
    std::vector<size_t> uses[2];
    for (size_t i = 0; i < program.size(); ++i)
      if (program[i].collective)
        uses[program[i].collective->communicator].push_back(i);
    if (uses[0].empty() || uses[1].empty())
      continue;
    size_t a = uses[0][below(uses[0].size())];
    size_t b = uses[1][below(uses[1].size())];
    size_t first = std::min(a, b), second = std::max(a, b);
    if (rank == crossed) {
      move(program, second, first);
      dropLate(program, /*reverse=*/true);
      second = first + 1;
    }
    program[second].waits.push_back(first);
  }
}

void RandomSchedule::mutate(Program &program) {
  if (program.empty())
    return;
  size_t kind = below(100);
  if (kind < 30)
    dropEvent(program);
  else if (kind < 45)
    moveDispatch(program);
  else if (kind < 55)
    changeRange(program);
  else if (kind < 65)
    addEvent(program);
  else if (kind < 75)
    changeCollective(program);
  else
    changeStream(program);
}

void RandomSchedule::mutate(Schedule &schedule) {
  for (size_t count = 1 + below(3); count > 0; --count) {
    if (chance(30)) {
      crossCollectives(schedule);
      continue;
    }
    if (chance(50)) {
      mutate(schedule.ranks[below(schedule.ranks.size())]);
      continue;
    }
    std::mt19937_64 start = engine; // the same choices on every rank
    for (Program &program : schedule.ranks) {
      engine = start;
      mutate(program);
    }
  }
}

//===----------------------------------------------------------------------===//
// For messages
//===----------------------------------------------------------------------===//

static void print(std::ostream &os, size_t number, const Dispatch &dispatch) {
  os << "  " << number << " stream " << dispatch.stream;
  if (dispatch.collective)
    os << " " << dispatch.collective->kind << " on "
       << dispatch.collective->communicator << " unit "
       << dispatch.collective->unit << " bytes " << dispatch.collective->bytes;
  for (size_t event : dispatch.waits)
    os << " wait " << event;
  for (const Touch &touch : dispatch.touches)
    os << (touch.writes ? " write " : " read ") << touch.arena << " ["
       << touch.begin << ", " << touch.end << ")";
  os << "\n";
}

std::string fsdp::schedule::toString(const Schedule &schedule) {
  std::ostringstream os;
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    os << "rank " << rank << "\n";
    for (size_t i = 0; i < schedule.ranks[rank].size(); ++i)
      print(os, i, schedule.ranks[rank][i]);
  }
  return os.str();
}
