//===- Operations.h - The bound operations of all phases --------*- C++ -*-===//

#ifndef FSDPRT_ABI_OPERATIONS_H
#define FSDPRT_ABI_OPERATIONS_H

#include "device/Device.h"

namespace fsdprt {

/// Bytes that a step's metrics count.
struct MovedBytes {
  int64_t gathered = 0, reduced = 0;
  int64_t copied = 0; // of parameters and gradients, by fsdprt_copy

  MovedBytes &operator+=(const MovedBytes &other) {
    gathered += other.gathered;
    reduced += other.reduced;
    copied += other.copied;
    return *this;
  }
};

struct Operation {
  Dispatch dispatch;
  MovedBytes moved;
};

/// By phase and place in its issue order. A phase is a straight line: the
/// descriptor's address tells that it is the same operation.
class Operations {
public:
  /// `phase` counts the phases in the order of their first runs.
  void beginPhase(int phase) {
    if (phases.size() <= size_t(phase))
      phases.resize(phase + 1);
    current = size_t(phase);
    place = 0;
  }

  /// The operation at the next place, null if it is another one or not bound.
  Operation *next(const fsdprt_op &op) {
    const Phase &phase = phases[current];
    size_t index = place++;
    if (index < phase.size() && phase[index] &&
        phase[index]->dispatch.op == &op)
      return phase[index].get();
    return nullptr;
  }

  /// Where next() looked: the issue order.
  int64_t index() const { return int64_t(place) - 1; }

  /// Keeps an operation there.
  Operation *keep(std::unique_ptr<Operation> operation) {
    Phase &phase = phases[current];
    if (phase.size() < place)
      phase.resize(place);
    phase[place - 1] = std::move(operation);
    return phase[place - 1].get();
  }

private:
  using Phase = std::vector<std::unique_ptr<Operation>>;

  std::vector<Phase> phases;
  size_t current = 0, place = 0;
};

} // namespace fsdprt

#endif // FSDPRT_ABI_OPERATIONS_H
