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
