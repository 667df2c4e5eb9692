//===- Meeting.cpp - Where the ranks of a communicator meet ---------------===//

#include "test/simcuda/Meeting.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace simcuda;

/// All zero when the file is new.
struct Meeting::Table {
  std::atomic<uint32_t> ranks, present, complete;
  Seat seats[kMaxRanks];
};

static uint64_t tableBytes(uint64_t table) {
  return (table + 4095) / 4096 * 4096;
}

Meeting::~Meeting() {
  if (!table)
    return;
  if (!table->complete)
    ::unlink(path.c_str());
  ::munmap(table, bytes);
}

std::string Meeting::join(const std::string &name, int rank, int ranks,
                          int device) {
  path = "/dev/shm/" + name;
  size = ranks;
  bytes = tableBytes(sizeof(Table)) + ranks * kWindowBytes;
  int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, bytes) != 0)
    return "cannot make " + path + ": " + std::strerror(errno);
  void *mapped =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped == MAP_FAILED)
    return "cannot map " + path + ": " + std::strerror(errno);
  table = static_cast<Table *>(mapped);
  uint32_t said = 0;
  if (!table->ranks.compare_exchange_strong(said, ranks) &&
      said != uint32_t(ranks))
    return "rank " + std::to_string(rank) + " says that there are " +
           std::to_string(ranks) + " ranks, another one " +
           std::to_string(said);
  if (seat(rank).taken.exchange(1))
    return "rank " + std::to_string(rank) + " is there twice";
  seat(rank).device = device;
  if (++table->present == uint32_t(ranks)) {
    ::unlink(path.c_str()); // before the id can be used again
    table->complete = 1;
  }
  return "";
}

bool Meeting::isComplete() const { return table->complete; }

int Meeting::findDuplicate() const {
  for (int a = 0; a < size; ++a)
    for (int b = a + 1; b < size; ++b)
      if (seat(a).device == seat(b).device)
        return b;
  return -1;
}

Seat &Meeting::seat(int rank) const { return table->seats[rank]; }

char *Meeting::window(int rank) const {
  return reinterpret_cast<char *>(table) + tableBytes(sizeof(Table)) +
         rank * kWindowBytes;
}

bool Meeting::allPosted(uint64_t round) const {
  for (int i = 0; i < size; ++i)
    if (seat(i).posted.load(std::memory_order_acquire) < round)
      return false;
  return true;
}

bool Meeting::allRead(uint64_t round) const {
  for (int i = 0; i < size; ++i)
    if (seat(i).read.load(std::memory_order_acquire) < round)
      return false;
  return true;
}
