//===- Operations.h - The bound operations of all phases --------*- C++ -*-===//

#ifndef FSDPRT_ABI_OPERATIONS_H
#define FSDPRT_ABI_OPERATIONS_H

#include "device/Device.h"

namespace fsdprt {

/// Floating-point operations of products, by what chips have a speed for.
struct ProductWork {
  int64_t f32 = 0, tf32 = 0;
  int64_t half = 0; // bf16 or f16, sums in f32

  ProductWork() = default;
  /// 2 m n k of each matrix of the batch. Nothing for a product that backward
  /// computes again: it is no progress.
  explicit ProductWork(const fsdprt_gemm_desc &desc);

  ProductWork &operator+=(const ProductWork &other) {
    f32 += other.f32;
    tf32 += other.tf32;
    half += other.half;
    return *this;
  }
  int64_t total() const { return f32 + tf32 + half; }
};

/// What a step's metrics count.
struct StepCounts {
  int64_t gathered = 0, reduced = 0; // bytes
  int64_t copied = 0; // bytes of parameters and gradients, by fsdprt_copy
  ProductWork products;

  StepCounts &operator+=(const StepCounts &other) {
    gathered += other.gathered;
    reduced += other.reduced;
    copied += other.copied;
    products += other.products;
    return *this;
  }
};

struct Operation {
  Dispatch dispatch;
  StepCounts counts;
  int64_t savedFirst = 0; // bytes that a checkpoint must have read; 0: none
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

  /// Keeps an operation there. The one whose place it takes stays as well: the
  /// device may have noted it.
  Operation *keep(std::unique_ptr<Operation> operation) {
    Phase &phase = phases[current];
    if (phase.size() < place)
      phase.resize(place);
    std::swap(phase[place - 1], operation);
    if (operation)
      replaced.push_back(std::move(operation));
    return phase[place - 1].get();
  }

private:
  using Phase = std::vector<std::unique_ptr<Operation>>;

  std::vector<Phase> phases;
  Phase replaced;
  size_t current = 0, place = 0;
};

} // namespace fsdprt

#endif // FSDPRT_ABI_OPERATIONS_H
