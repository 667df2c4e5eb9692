//===- Memory.h - The memory of simulated devices ---------------*- C++ -*-===//
//
// An address that the host is given is reserved and cannot be touched; the
// bytes lie elsewhere. Beside them lies a byte each that says whether they have
// been written. Pinned memory is at the address that the host is given.
//
//===----------------------------------------------------------------------===//

#ifndef SIMCUDA_MEMORY_H
#define SIMCUDA_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <map>

namespace simcuda {

struct Allocation {
  static constexpr int kPinned = -1;

  uint64_t address = 0; ///< as the host and races know it
  uint64_t bytes = 0;
  char *data = nullptr;
  uint8_t *written = nullptr; ///< 1 a byte; null for pinned memory
  int device = kPinned;

  bool contains(uint64_t begin, uint64_t count) const {
    return begin >= address && count <= bytes &&
           begin - address <= bytes - count;
  }
  char *at(uint64_t begin) const { return data + (begin - address); }
};

class Memory {
public:
  /// Null if the operating system has none.
  const Allocation *allocate(int device, uint64_t bytes);
  const Allocation *allocatePinned(uint64_t bytes);
  uint64_t pinnedBytes() const;

  /// False if nothing was allocated at `address` (of that kind).
  bool free(uint64_t address, bool pinned);

  /// The allocation that holds all of these bytes, or null.
  const Allocation *find(uint64_t address, uint64_t bytes) const;

  /// Of the allocation at `address`: exactly what allocate returned.
  const Allocation *at(uint64_t address) const;

  const std::map<uint64_t, Allocation> &all() const { return allocations; }
  void clear();

private:
  std::map<uint64_t, Allocation> allocations; ///< by address
};

} // namespace simcuda

#endif // SIMCUDA_MEMORY_H
