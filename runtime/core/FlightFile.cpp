//===- FlightFile.cpp - The file of flight records ------------------------===//

#include "core/FlightRecord.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace fsdprt;

static constexpr uint64_t flightMagic = 0x31746867696c6673; // "sflight1"

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

Status FlightFile::make(const std::string &name, int file, int firstRank,
                        int numSlots) {
  bytes = bytesFor(numSlots);
  // posix_fallocate, not ftruncate: a full /dev/shm fails here, not by SIGBUS.
  int error = ::posix_fallocate(file, 0, bytes);
  void *memory = error ? MAP_FAILED
                       : ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_SHARED, file, 0);
  if (!error && memory == MAP_FAILED)
    error = errno;
  if (error)
    return failure("cannot map '/dev/shm", name, "': ", std::strerror(error));
  mapped = initialise(memory, firstRank, numSlots);
  return Status();
}

Status FlightFile::map(const std::string &name, int file) {
  struct stat info;
  void *memory = MAP_FAILED;
  if (::fstat(file, &info) == 0 && info.st_size >= bytesFor(1))
    memory = ::mmap(nullptr, info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                    file, 0);
  if (memory == MAP_FAILED)
    return failure("cannot map '/dev/shm", name, "'");
  mapped = static_cast<FlightHeader *>(memory);
  bytes = info.st_size;
  if (mapped->magic != flightMagic || bytesFor(mapped->numSlots) > bytes)
    return failure("'/dev/shm", name, "' is not a flight record");
  return Status();
}

Expected<FlightFile> FlightFile::createShared(const std::string &name,
                                              int firstRank, int numSlots) {
  int opened = ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  if (opened < 0)
    return failure("cannot create '/dev/shm", name,
                   "': ", std::strerror(errno));
  FlightFile file;
  Status status = file.make(name, opened, firstRank, numSlots);
  ::close(opened);
  if (!status.ok()) {
    unlink(name);
    return status;
  }
  return file;
}

Expected<FlightFile> FlightFile::open(const std::string &name) {
  int opened = ::shm_open(name.c_str(), O_RDWR, 0600);
  if (opened < 0)
    return failure("cannot open '/dev/shm", name, "': ", std::strerror(errno));
  FlightFile file;
  Status status = file.map(name, opened);
  ::close(opened);
  if (!status.ok())
    return status;
  return file;
}

void FlightFile::unlink(const std::string &name) { ::shm_unlink(name.c_str()); }

FlightFile::FlightFile(FlightFile &&other) noexcept {
  *this = std::move(other);
}

FlightFile &FlightFile::operator=(FlightFile &&other) noexcept {
  std::swap(mapped, other.mapped);
  std::swap(bytes, other.bytes);
  std::swap(fd, other.fd);
  std::swap(joinedSlot, other.joinedSlot);
  std::swap(path, other.path);
  return *this;
}

FlightFile::~FlightFile() {
  if (mapped)
    ::munmap(mapped, bytes);
  if (fd >= 0)
    ::close(fd);
}

//===----------------------------------------------------------------------===//
// Joining
//===----------------------------------------------------------------------===//
//
// A lock on a byte of the file ends with the process that has it, so what a
// killed run has left says nothing. Byte 0 is held while one looks at the
// others, byte 1 + i by the rank of slot i.

static struct flock lockOf(off_t first, off_t count) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = first;
  lock.l_len = count;
  return lock;
}

/// `command` says whether it waits for who has it.
static bool take(int fd, off_t byte, int command) {
  struct flock lock = lockOf(byte, 1);
  return ::fcntl(fd, command, &lock) == 0;
}

static void release(int fd, off_t byte) {
  struct flock lock = lockOf(byte, 1);
  lock.l_type = F_UNLCK;
  ::fcntl(fd, F_OFD_SETLK, &lock);
}

/// Whether another rank has a slot.
static bool isJoined(int fd) {
  struct flock lock = lockOf(1, /*count: all*/ 0);
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/// Whether the path still leads to this file.
bool FlightFile::isNamed() const {
  struct stat own, named;
  return ::fstat(fd, &own) == 0 && ::stat(path.c_str(), &named) == 0 &&
         own.st_ino == named.st_ino && own.st_dev == named.st_dev;
}

Status FlightFile::takeSlot(const std::string &name, int firstRank,
                            int numSlots, int index) {
  if (!isJoined(fd))
    FSDPRT_RETURN_IF_ERROR(make(name, fd, firstRank, numSlots));
  else
    FSDPRT_RETURN_IF_ERROR(map(name, fd));
  if (mapped->firstRank != firstRank || mapped->numSlots != numSlots)
    return failure("rank ", firstRank + index, " is one of the ", numSlots,
                   " from rank ", firstRank,
                   " on this host, and another one of the ", mapped->numSlots,
                   " from rank ", mapped->firstRank,
                   "; ranks of a host must be consecutive (srun "
                   "--distribution=block)");
  if (!take(fd, 1 + index, F_OFD_SETLK))
    return failure("rank ", firstRank + index, " is there twice");
  joinedSlot = index;
  return Status();
}

Expected<FlightFile> FlightFile::join(const std::string &name, int firstRank,
                                      int numSlots, int index) {
  while (true) {
    FlightFile file;
    file.path = "/dev/shm" + name;
    file.fd = ::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
    if (file.fd < 0 || !take(file.fd, 0, F_OFD_SETLKW))
      return failure("cannot open '", file.path, "': ", std::strerror(errno));
    if (!file.isNamed())
      continue; // the last of those before has just taken the name away
    Status status = file.takeSlot(name, firstRank, numSlots, index);
    release(file.fd, 0);
    if (!status.ok()) {
      (void)file.claimReport(); // which is said by who tried
      return status;
    }
    return file;
  }
}

void FlightFile::removeName() const {
  if (fd >= 0 && isNamed())
    ::unlink(path.c_str());
}

void FlightFile::removeNameOfLast() const {
  if (fd < 0 || !take(fd, 0, F_OFD_SETLKW))
    return;
  release(fd, 1 + joinedSlot); // who leaves at the same time does not see it
  if (!isJoined(fd))
    removeName();
  release(fd, 0);
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

void FlightFile::noteCheckpoint(const std::string &folder, int64_t step) const {
  if (!mapped)
    return;
  if (mapped->newestStep == 0)
    copyText(mapped->checkpointsIn, folder.c_str());
  mapped->newestStep = step;
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
