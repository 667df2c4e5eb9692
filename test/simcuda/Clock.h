//===- Clock.h - What is known to have come before --------------*- C++ -*-===//
//
// Vector clocks (Lamport; Fidge, Mattern 1988) with one component for each
// stream, and for each stream that a graph was captured from.
//
//===----------------------------------------------------------------------===//

#ifndef SIMCUDA_CLOCK_H
#define SIMCUDA_CLOCK_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace simcuda {

class Clock {
public:
  uint64_t at(size_t component) const {
    return component < ticks.size() ? ticks[component] : 0;
  }

  void set(size_t component, uint64_t tick) {
    if (component >= ticks.size())
      ticks.resize(component + 1);
    ticks[component] = tick;
  }

  void join(const Clock &other) {
    if (other.ticks.size() > ticks.size())
      ticks.resize(other.ticks.size());
    for (size_t i = 0; i < other.ticks.size(); ++i)
      ticks[i] = std::max(ticks[i], other.ticks[i]);
  }

private:
  std::vector<uint64_t> ticks;
};

/// What messages say of an operation, and what came before it.
struct Identity {
  std::string name, unit, stream;
  size_t component = 0;
  uint64_t tick = 0;
  Clock clock; ///< its own tick included

  /// Whether streams, events or the host order this one before `other`.
  bool before(const Identity &other) const {
    return other.clock.at(component) >= tick;
  }

  /// 'layer_norm' of unit 'h.0' on stream 1
  std::string print() const {
    return "'" + name + "'" + (unit.empty() ? "" : " of unit '" + unit + "'") +
           " on " + stream;
  }
};

using IdentityRef = std::shared_ptr<const Identity>;

} // namespace simcuda

#endif // SIMCUDA_CLOCK_H
