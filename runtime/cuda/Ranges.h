//===- Ranges.h - The plan's names for a profiler ---------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_RANGES_H
#define FSDPRT_CUDA_RANGES_H

#include "abi/fsdprt.h"

namespace fsdprt::cuda {

/// NVTX, by which a profiler (Nsight Systems) is told what the host does: the
/// library is part of CUDA's toolkit and of PyTorch's packages. Where it is
/// not installed, nothing is told. Without a profiler the library does nothing.
class Ranges {
public:
  Ranges();

  /// A stretch of the calling thread's time; they nest.
  class Range {
  public:
    Range(Range &&other) noexcept : end(other.end) { other.end = nullptr; }
    ~Range() {
      if (end)
        end();
    }

  private:
    friend class Ranges;
    explicit Range(int (*end)()) : end(end) {}
    int (*end)();
  };

  /// While an operation is put on its stream: "transformer.h.3 all_gather".
  Range of(const fsdprt_op &op) const {
    return push ? begin(op) : Range(nullptr);
  }
  Range of(const char *name) const;

private:
  Range begin(const fsdprt_op &op) const;

  int (*push)(const char *) = nullptr; // null: there is no library
  int (*pop)() = nullptr;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_RANGES_H
