//===- Races.h - Operations that touch the same bytes, unordered *- C++ -*-===//

#ifndef SIMCUDA_RACES_H
#define SIMCUDA_RACES_H

#include "test/simcuda/Clock.h"

#include <map>

namespace simcuda {

/// Bytes that an operation touches; `access` is one of FSDPRT_ACCESS_*.
struct Range {
  uint64_t address = 0, bytes = 0;
  int access = 0;

  uint64_t end() const { return address + bytes; }
};

/// Who touched which bytes last: of each, the last writer and the readers since
/// that no later reader is ordered after.
class Races {
public:
  /// Two operations that are not ordered, and a byte that both touch.
  struct Conflict {
    IdentityRef other;
    uint64_t address = 0;
    bool otherWrites = false;

    explicit operator bool() const { return other != nullptr; }
  };

  /// Adds an operation; the first conflict with those before, if any.
  Conflict touch(const IdentityRef &operation,
                 const std::vector<Range> &ranges);

  /// Memory that was freed has no history.
  void forget(uint64_t address, uint64_t bytes);

private:
  struct Cell {
    uint64_t end = 0;
    IdentityRef write;
    std::vector<IdentityRef> reads;
  };
  using Cells = std::map<uint64_t, Cell>;

  void split(uint64_t address);
  void fillGaps(uint64_t begin, uint64_t end);
  void read(const IdentityRef &operation, const Range &range, Conflict &first);
  void write(const IdentityRef &operation, const Range &range, Conflict &first);

  Cells cells; ///< by first byte; they do not overlap
};

} // namespace simcuda

#endif // SIMCUDA_RACES_H
