//===- Memory.cpp - The memory of simulated devices -----------------------===//

#include "test/simcuda/Memory.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace simcuda;

/// ncclMemAlloc's granularity, which is cuMemAlloc's for large blocks too.
static constexpr uint64_t kAlignment = uint64_t(2) << 20;

static uint64_t roundUp(uint64_t bytes) {
  uint64_t page = ::sysconf(_SC_PAGESIZE);
  return (bytes + page - 1) / page * page;
}

static char *map(uint64_t bytes, int protection) {
  void *mapped = ::mmap(nullptr, roundUp(bytes), protection,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mapped == MAP_FAILED ? nullptr : static_cast<char *>(mapped);
}

static void unmap(void *begin, uint64_t bytes) {
  if (begin)
    ::munmap(begin, roundUp(bytes));
}

/// Addresses that nothing may touch, aligned; what is around them stays
/// reserved, so that no other allocation is adjacent.
static uint64_t reserve(uint64_t bytes) {
  char *mapped = map(roundUp(bytes) + 2 * kAlignment, PROT_NONE);
  if (!mapped)
    return 0;
  return (reinterpret_cast<uint64_t>(mapped) + kAlignment - 1) / kAlignment *
         kAlignment;
}

const Allocation *Memory::allocate(int device, uint64_t bytes) {
  Allocation a;
  a.address = reserve(bytes);
  a.bytes = bytes;
  a.device = device;
  a.data = map(bytes, PROT_READ | PROT_WRITE);
  a.written = reinterpret_cast<uint8_t *>(map(bytes, PROT_READ | PROT_WRITE));
  if (!a.address || !a.data || !a.written)
    return nullptr;
  return &allocations.emplace(a.address, a).first->second;
}

const Allocation *Memory::allocatePinned(uint64_t bytes) {
  Allocation a;
  a.data = map(bytes, PROT_READ | PROT_WRITE);
  if (!a.data)
    return nullptr;
  a.address = reinterpret_cast<uint64_t>(a.data);
  a.bytes = bytes;
  return &allocations.emplace(a.address, a).first->second;
}

uint64_t Memory::pinnedBytes() const {
  uint64_t sum = 0;
  for (const auto &[address, allocation] : allocations)
    if (allocation.device == Allocation::kPinned)
      sum += allocation.bytes;
  return sum;
}

/// A device's addresses stay reserved: whoever uses one later is told so.
bool Memory::free(uint64_t address, bool pinned) {
  auto it = allocations.find(address);
  if (it == allocations.end() ||
      (it->second.device == Allocation::kPinned) != pinned)
    return false;
  unmap(it->second.data, it->second.bytes);
  unmap(it->second.written, it->second.bytes);
  allocations.erase(it);
  return true;
}

const Allocation *Memory::find(uint64_t address, uint64_t bytes) const {
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin())
    return nullptr;
  const Allocation &a = std::prev(next)->second;
  return a.contains(address, bytes) ? &a : nullptr;
}

const Allocation *Memory::at(uint64_t address) const {
  auto it = allocations.find(address);
  return it == allocations.end() ? nullptr : &it->second;
}

void Memory::clear() {
  while (!allocations.empty()) {
    auto it = allocations.begin();
    free(it->first, it->second.device == Allocation::kPinned);
  }
}
