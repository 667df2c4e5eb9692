//===- FlightRecord.cpp - Where every rank is, seen from outside ----------===//

#include "core/FlightRecord.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace fsdprt;

static constexpr uint64_t flightMagic = 0x31746867696c6673; // "sflight1"

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

template <size_t N> static void copyText(char (&to)[N], const char *from) {
  size_t length = ::strnlen(from, N - 1);
  std::memcpy(to, from, length);
  to[length] = 0;
}

static int64_t bytesFor(int numSlots) {
  return sizeof(FlightHeader) + 64 + numSlots * int64_t(sizeof(FlightSlot));
}

static FlightHeader *initialise(void *memory, int firstRank, int numSlots) {
  std::memset(memory, 0, bytesFor(numSlots));
  FlightHeader *header = new (memory) FlightHeader();
  header->numSlots = numSlots;
  header->firstRank = firstRank;
  header->magic = flightMagic;
  return header;
}

Expected<FlightFile> FlightFile::createPrivate(int numSlots) {
  FlightFile file;
  file.bytes = bytesFor(numSlots);
  void *memory = ::mmap(nullptr, file.bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return failure("cannot map the flight record: ", std::strerror(errno));
  file.mapped = initialise(memory, 0, numSlots);
  return file;
}

Expected<FlightFile> FlightFile::createShared(const std::string &name,
                                              int firstRank, int numSlots) {
  int fd = ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  if (fd < 0)
    return failure("cannot create '/dev/shm", name,
                   "': ", std::strerror(errno));
  FlightFile file;
  file.bytes = bytesFor(numSlots);
  // posix_fallocate, not ftruncate: a full /dev/shm fails here, not by SIGBUS.
  int error = ::posix_fallocate(fd, 0, file.bytes);
  void *memory = error ? MAP_FAILED
                       : ::mmap(nullptr, file.bytes, PROT_READ | PROT_WRITE,
                                MAP_SHARED, fd, 0);
  if (!error && memory == MAP_FAILED)
    error = errno;
  ::close(fd);
  if (error) {
    unlink(name);
    return failure("cannot map '/dev/shm", name, "': ", std::strerror(error));
  }
  file.mapped = initialise(memory, firstRank, numSlots);
  return file;
}

Expected<FlightFile> FlightFile::open(const std::string &name) {
  int fd = ::shm_open(name.c_str(), O_RDWR, 0600);
  if (fd < 0)
    return failure("cannot open '/dev/shm", name, "': ", std::strerror(errno));
  struct stat info;
  void *memory = MAP_FAILED;
  if (::fstat(fd, &info) == 0 && info.st_size >= bytesFor(1))
    memory = ::mmap(nullptr, info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                    fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED)
    return failure("cannot map '/dev/shm", name, "'");
  FlightFile file;
  file.mapped = static_cast<FlightHeader *>(memory);
  file.bytes = info.st_size;
  if (file.mapped->magic != flightMagic ||
      bytesFor(file.mapped->numSlots) > file.bytes)
    return failure("'/dev/shm", name, "' is not a flight record");
  return file;
}

void FlightFile::unlink(const std::string &name) { ::shm_unlink(name.c_str()); }

FlightFile::FlightFile(FlightFile &&other) noexcept {
  *this = std::move(other);
}

FlightFile &FlightFile::operator=(FlightFile &&other) noexcept {
  std::swap(mapped, other.mapped);
  std::swap(bytes, other.bytes);
  return *this;
}

FlightFile::~FlightFile() {
  if (mapped)
    ::munmap(mapped, bytes);
}

FlightSlot *FlightFile::slot(int index) const {
  char *first =
      reinterpret_cast<char *>(mapped) + (sizeof(FlightHeader) + 63) / 64 * 64;
  return reinterpret_cast<FlightSlot *>(first) + index;
}

FlightSlot *FlightFile::slotOfRank(int rank) const {
  if (!mapped)
    return nullptr;
  int index = rank - mapped->firstRank;
  return index >= 0 && index < mapped->numSlots ? slot(index) : nullptr;
}

bool FlightFile::claimReport() const {
  return !mapped || mapped->reported.exchange(1) == 0;
}

void FlightFile::noteTold(int rank, int number) const {
  int32_t none = 0;
  if (mapped && mapped->firstTold.compare_exchange_strong(none, rank + 1))
    mapped->toldBy = number;
}

void FlightFile::noteSaved(const std::string &path) const {
  SavedState none = SavedState::No;
  if (!mapped ||
      !mapped->saved.compare_exchange_strong(none, SavedState::Noting))
    return;
  copyText(mapped->savedIn, path.c_str());
  mapped->saved = SavedState::Yes;
}

bool FlightFile::allFinished() const {
  for (int i = 0; i < numSlots(); ++i)
    if (slot(i)->state != FlightState::Finished)
      return false;
  return numSlots() > 0;
}

uint64_t FlightFile::progressOfOthers(int rank) const {
  uint64_t sum = 0;
  for (int i = 0; i < numSlots(); ++i)
    if (firstRank() + i != rank)
      sum += slot(i)->progress.load(std::memory_order_relaxed);
  return sum;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void fsdprt::enterPhase(FlightSlot *slot, const char *phase, int64_t step) {
  if (!slot)
    return;
  copyText(slot->phase, phase);
  slot->step = step;
  for (FlightOperation &operation : slot->operations)
    operation.state = OperationState::None;
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
  operation.state.store(state, std::memory_order_release);
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

void fsdprt::describePosition(const FlightSlot &slot, SignalSafeText &text) {
  const FlightOperation &operation = currentOperation(slot);
  OperationState state = operation.state;
  if (state != OperationState::None) {
    text << (state == OperationState::Started  ? "in"
             : state == OperationState::Issued ? "before"
                                               : "after")
         << " operation '" << operation.mark.name << "'";
    if (operation.mark.unit[0])
      text << " of unit '" << operation.mark.unit << "'";
    text << " ";
  }
  text << "(phase '" << slot.phase << "'";
  if (slot.step >= 0)
    text << ", step " << slot.step + 1; // from 1, as the progress
  text << ")";
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

bool fsdprt::describeCulprit(const FlightFile &file, int self,
                             bool includeStuck, SignalSafeText &text) {
  int culprit = -1;
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
  if (!verb && includeStuck) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < file.numSlots(); ++i) {
      const FlightSlot &slot = *file.slot(i);
      if (file.firstRank() + i == self || slot.state != FlightState::Running ||
          slot.progress >= least)
        continue;
      least = slot.progress;
      culprit = i;
      verb = " makes no progress ";
    }
  }
  if (!verb)
    return false;
  text << "rank " << int64_t(file.firstRank() + culprit) << verb;
  describePosition(*file.slot(culprit), text);
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
  if (!file.header() || file.header()->saved != SavedState::Yes)
    return false;
  text << "; the parameters are saved in '" << file.header()->savedIn << "'";
  return true;
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
