//===- Arena.cpp - The memory of a rank -----------------------------------===//

#include "core/Arena.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

using namespace fsdprt;

static int64_t roundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

Expected<Arena> Arena::create(const std::string &name, int64_t bytes,
                              bool checked) {
  // A huge page's alignment lets the kernel back large arenas with huge pages.
  constexpr int64_t hugePage = int64_t(2) << 20;
  int64_t page = ::sysconf(_SC_PAGESIZE);
  int64_t body = roundUp(bytes, page);
  Arena arena;
  arena.label = name;
  arena.bytes = bytes;
  arena.mappedBytes = checked ? body + 2 * page : body + hugePage;
  void *mapped = ::mmap(nullptr, arena.mappedBytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return failure("cannot reserve ", bytes, " bytes for arena '", name,
                   "': ", std::strerror(errno));
  arena.mapping = static_cast<char *>(mapped);
  char *usable = arena.mapping + page;
  if (!checked)
    usable = reinterpret_cast<char *>(
        roundUp(reinterpret_cast<int64_t>(mapped), hugePage));
  if (body && ::mprotect(usable, body, PROT_READ | PROT_WRITE) != 0)
    return failure("cannot map ", bytes, " bytes for arena '", name,
                   "': ", std::strerror(errno));
  if (!checked && bytes >= hugePage)
    ::madvise(usable, body, MADV_HUGEPAGE); // a hint; refusal costs only time
  arena.begin =
      checked ? usable + body - roundUp(bytes, baseAlignment) : usable;
  return arena;
}

Arena::Arena(Arena &&other) noexcept { *this = std::move(other); }

Arena &Arena::operator=(Arena &&other) noexcept {
  std::swap(label, other.label);
  std::swap(mapping, other.mapping);
  std::swap(mappedBytes, other.mappedBytes);
  std::swap(begin, other.begin);
  std::swap(bytes, other.bytes);
  return *this;
}

Arena::~Arena() {
  if (mapping)
    ::munmap(mapping, mappedBytes);
}

void Arena::fillWithNan(int64_t offset, int64_t count) {
  std::memset(begin + offset, 0xff, count);
}
