//===- FlightRecord.cpp - Where every rank is, seen from outside ----------===//

#include "core/FlightRecord.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void fsdprt::comeUp(FlightSlot *slot) {
  if (!slot)
    return;
  slot->pid = ::getpid();
  enterPhase(slot, "start", -1);
  slot->state = FlightState::Running;
}

void fsdprt::enterPhase(FlightSlot *slot, const char *phase, int64_t step) {
  if (!slot)
    return;
  copyText(slot->phase, phase);
  slot->step = step;
  for (FlightOperation &operation : slot->operations)
    operation.state = OperationState::None;
  slot->position = ((slot->position >> 32) + 1) << 32;
  markProgress(slot);
}

FlightMark::FlightMark(const fsdprt_op &op, int64_t index)
    : index(index), stream(op.stream) {
  copyText(name, op.name);
  copyText(unit, op.unit);
}

void fsdprt::markOperation(FlightSlot *slot, const FlightMark &mark,
                           OperationState state) {
  if (!slot)
    return;
  FlightOperation &operation = slot->operations[mark.stream];
  // What is issued behind a running operation must not hide it.
  if (state == OperationState::Issued &&
      operation.state.load() == OperationState::Started)
    return;
  if (state != OperationState::Ended)
    operation.mark = mark;
  else
    slot->position.fetch_add(1, std::memory_order_relaxed);
  operation.state.store(state, std::memory_order_release);
  markProgress(slot);
}

void fsdprt::markStream(FlightSlot *slot, const FlightMark &mark,
                        OperationState state, int64_t ended) {
  if (!slot)
    return;
  FlightOperation &operation = slot->operations[mark.stream];
  operation.mark = mark;
  operation.state.store(state, std::memory_order_release);
  slot->position.fetch_add(uint64_t(ended), std::memory_order_relaxed);
  markProgress(slot);
}

void fsdprt::markProgress(FlightSlot *slot) {
  if (slot)
    slot->progress.fetch_add(1, std::memory_order_relaxed);
}

//===----------------------------------------------------------------------===//
// Reading, safe in signal handlers
//===----------------------------------------------------------------------===//

SignalSafeText &SignalSafeText::operator<<(const char *text) {
  while (*text && length + 1 < sizeof(buffer))
    buffer[length++] = *text++;
  buffer[length] = 0;
  return *this;
}

SignalSafeText &SignalSafeText::operator<<(int64_t number) {
  char digits[24];
  char *at = digits + sizeof(digits);
  *--at = 0;
  bool negative = number < 0;
  uint64_t magnitude = negative ? -uint64_t(number) : uint64_t(number);
  do
    *--at = '0' + magnitude % 10;
  while (magnitude /= 10);
  if (negative)
    *--at = '-';
  return *this << static_cast<const char *>(at);
}

/// The operation that best says where the rank is: a collective that has
/// started, else what the compute stream does.
static const FlightOperation &currentOperation(const FlightSlot &slot) {
  const FlightOperation &compute = slot.operations[FSDPRT_STREAM_COMPUTE];
  if (compute.state == OperationState::Started)
    return compute;
  const FlightOperation *oldest = nullptr;
  for (const FlightOperation &operation : slot.operations)
    if (operation.state == OperationState::Started &&
        (!oldest || operation.mark.index < oldest->mark.index))
      oldest = &operation;
  return oldest ? *oldest : compute;
}

static void describeOperation(const FlightOperation &operation,
                              SignalSafeText &text) {
  text << " operation '" << operation.mark.name << "'";
  if (operation.mark.unit[0])
    text << " of unit '" << operation.mark.unit << "'";
}

/// `all`: of every stream that is in an operation.
static void describePosition(const FlightSlot &slot, bool all,
                             SignalSafeText &text) {
  const FlightOperation &current = currentOperation(slot);
  OperationState state = current.state;
  if (state != OperationState::None) {
    text << (state == OperationState::Started  ? "in"
             : state == OperationState::Issued ? "before"
                                               : "after");
    describeOperation(current, text);
    for (const FlightOperation &other : slot.operations)
      if (all && &other != &current && other.state == OperationState::Started) {
        text << " and";
        describeOperation(other, text);
      }
    text << " ";
  }
  text << "(phase '" << slot.phase << "'";
  if (slot.step >= 0)
    text << ", step " << slot.step + 1; // from 1, as the progress
  text << ")";
}

void fsdprt::describePosition(const FlightSlot &slot, SignalSafeText &text) {
  ::describePosition(slot, /*all=*/false, text);
}

/// The state letter of /proc/<pid>/stat; 'X' when there is no such process.
static char processState(int32_t pid) {
  SignalSafeText path;
  path << "/proc/" << int64_t(pid) << "/stat";
  int fd = ::open(path.data(), O_RDONLY);
  if (fd < 0)
    return 'X';
  char content[512];
  ssize_t length = ::read(fd, content, sizeof(content) - 1);
  ::close(fd);
  // "pid (name) S ...": the name may hold parentheses and spaces.
  for (ssize_t i = length - 1; i > 0; --i)
    if (content[i] == ')')
      return i + 2 < length ? content[i + 2] : 'X';
  return 'X';
}

/// The slot of the rank that is furthest behind, -1: none runs. `others`: ranks
/// that are as far.
static int findLast(const FlightFile &file, int self, int &others) {
  uint64_t least = UINT64_MAX;
  int last = -1;
  for (int i = 0; i < file.numSlots(); ++i) {
    const FlightSlot &slot = *file.slot(i);
    uint64_t position = slot.position;
    if (file.firstRank() + i == self || slot.state != FlightState::Running ||
        position > least)
      continue;
    others = position == least ? others + 1 : 0;
    last = position == least ? last : i;
    least = position;
  }
  return last;
}

bool fsdprt::describeCulprit(const FlightFile &file, int self,
                             bool includeStuck, SignalSafeText &text) {
  int culprit = -1, others = 0;
  const char *verb = nullptr;
  for (int i = 0; i < file.numSlots() && !verb; ++i) {
    const FlightSlot &slot = *file.slot(i);
    if (file.firstRank() + i == self || slot.state != FlightState::Running)
      continue;
    char state = processState(slot.pid);
    if (state == 'X' || state == 'Z')
      verb = " was killed ";
    else if (includeStuck && (state == 'T' || state == 't'))
      verb = " is stopped ";
    culprit = i;
  }
  bool isStuck = !verb && includeStuck;
  if (isStuck) {
    culprit = findLast(file, self, others);
    verb = culprit < 0 ? nullptr : " makes no progress ";
  }
  if (!verb)
    return false;
  text << "rank " << int64_t(file.firstRank() + culprit) << verb;
  ::describePosition(*file.slot(culprit), isStuck, text);
  if (others)
    text << ", as " << int64_t(others)
         << (others == 1 ? " other that is as far" : " others that are as far");
  return true;
}

bool fsdprt::describeTold(const FlightFile &file, SignalSafeText &text) {
  int rank = file.header() ? file.header()->firstTold - 1 : -1;
  const FlightSlot *slot = file.slotOfRank(rank);
  if (!slot)
    return false;
  const char *name = ::sigabbrev_np(file.header()->toldBy);
  text << "rank " << int64_t(rank) << " was told to end (SIG"
       << (name ? name : "TERM") << ") ";
  describePosition(*slot, text);
  return true;
}

bool fsdprt::describeSaved(const FlightFile &file, SignalSafeText &text) {
  const FlightHeader *header = file.header();
  bool isSaved = header && header->saved == SavedState::Yes;
  if (isSaved)
    text << "; the parameters are saved in '" << header->savedIn << "'";
  bool hasCheckpoint = header && header->newestStep > 0;
  if (hasCheckpoint)
    text << "; the newest checkpoint is '" << header->checkpointsIn << "/step-"
         << header->newestStep << "'";
  return isSaved || hasCheckpoint;
}

std::string fsdprt::describeAbsent(const FlightFile &file) {
  std::string absent;
  for (int i = 0; i < file.numSlots(); ++i)
    if (file.slot(i)->state == FlightState::Absent)
      absent +=
          (absent.empty() ? "" : ", ") + std::to_string(file.firstRank() + i);
  if (absent.empty())
    return "";
  return (absent.find(',') == std::string::npos ? "rank " : "ranks ") + absent;
}

void fsdprt::killStoppedRanks(const FlightFile &file, int self) {
  for (int i = 0; i < file.numSlots(); ++i) {
    const FlightSlot &slot = *file.slot(i);
    if (file.firstRank() + i == self || slot.state != FlightState::Running)
      continue;
    char state = processState(slot.pid);
    if (state == 'T' || state == 't')
      ::kill(slot.pid, SIGKILL);
  }
}
