//===- Arena.h - The memory of a rank ---------------------------*- C++ -*-===//

#ifndef FSDPRT_CORE_ARENA_H
#define FSDPRT_CORE_ARENA_H

#include "core/Status.h"

#include <cstdint>
#include <string>

namespace fsdprt {

/// One planned arena. Pages are reserved, not committed: what a program never
/// touches costs nothing.
///
/// In checked mode the last byte stands right before a page that cannot be
/// touched, and the first one right behind another (up to alignment), so that
/// reading or writing one vector beyond the plan faults at once.
class Arena {
public:
  /// Offsets are planned relative to a base of this alignment; checked arenas,
  /// which end at a page, keep it by rounding their length up to it.
  static constexpr int64_t baseAlignment = 64;

  static Expected<Arena> create(const std::string &name, int64_t bytes,
                                bool checked);

  Arena(Arena &&other) noexcept;
  Arena &operator=(Arena &&other) noexcept;
  ~Arena();

  char *base() const { return begin; }
  int64_t size() const { return bytes; }
  const std::string &name() const { return label; }

  /// Bytes of 0xff: NaN as f32, f64, bf16 and f16, and an absurd integer.
  void fillWithNan(int64_t offset, int64_t count);

private:
  Arena() = default;

  std::string label;
  char *mapping = nullptr;
  int64_t mappedBytes = 0;
  char *begin = nullptr;
  int64_t bytes = 0;
};

} // namespace fsdprt

#endif // FSDPRT_CORE_ARENA_H
