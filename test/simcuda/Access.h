//===- Access.h - What a kernel may touch, and what it touches --*- C++ -*-===//

#ifndef SIMCUDA_ACCESS_H
#define SIMCUDA_ACCESS_H

#include "test/simcuda/Memory.h"
#include "test/simcuda/Races.h"
#include "test/simcuda/Settings.h"

namespace simcuda {

/// Bytes that a kernel may touch, where the kernel sees them.
struct Window {
  char *begin = nullptr;
  uint64_t bytes = 0;
  int access = 0;
  uint8_t *written = nullptr; ///< 1 a byte; null if all counts as written
  uint64_t address = 0;       ///< as the host knows it

  bool contains(const char *at, uint64_t count) const {
    return at >= begin && count <= bytes &&
           uint64_t(at - begin) <= bytes - count;
  }
  bool mayLoad() const;
  bool mayStore() const;
};

/// Bytes, as few intervals as can be.
class Intervals {
public:
  void add(uint64_t begin, uint64_t end);
  void appendTo(std::vector<Range> &ranges, int access) const;

private:
  std::map<uint64_t, uint64_t> ends; ///< by begin
};

/// The check of one kernel's accesses. Where nothing was announced, all of the
/// device's memory may be touched, and what is touched is written down.
class Access {
public:
  Access(std::vector<Window> windows, bool announced, bool uninitialized)
      : windows(std::move(windows)), announced(announced),
        uninitialized(uninitialized) {}

  /// Whether it may be done; each is called before each access.
  bool mayLoad(const char *at, uint64_t bytes);
  bool mayStore(const char *at, uint64_t bytes);

  /// What is wrong with an access that may not be done.
  std::string explainLoad(const char *at, uint64_t bytes);
  std::string explainStore(const char *at, uint64_t bytes);

  /// Results and scratch count as not written until they are: before the
  /// kernel, and scratch after it too.
  void forgetResults();
  void forgetScratch();

  std::vector<Range> touched() const;
  const std::vector<Window> &all() const { return windows; }

private:
  const Window *find(const char *at, uint64_t bytes, bool load);
  std::string outside(const char *verb, const char *at, uint64_t bytes) const;

  std::vector<Window> windows;
  bool announced, uninitialized;
  const Window *lastLoad = nullptr, *lastStore = nullptr;
  Intervals loads, stores;
};

} // namespace simcuda

#endif // SIMCUDA_ACCESS_H
