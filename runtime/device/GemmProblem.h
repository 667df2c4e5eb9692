//===- GemmProblem.h - A GEMM descriptor in oneDNN's words ------*- C++ -*-===//
//
// Shared by the runtime, which runs it, and the compiler, which plans the bytes
// of its scratchpad: it depends on nothing but oneDNN and the descriptor.
//
//===----------------------------------------------------------------------===//
#ifndef FSDPRT_DEVICE_GEMMPROBLEM_H
#define FSDPRT_DEVICE_GEMMPROBLEM_H

#include "../abi/fsdprt.h"

#include <dnnl.hpp>
#include <vector>

namespace fsdprt {

struct GemmProblem {
  dnnl::memory::desc a, b, c;
  dnnl::memory::desc bias; ///< empty: none
  bool accumulate, residual;

  /// Which of the product's post-operations adds the residual.
  int residualPlace() const { return accumulate ? 1 : 0; }

  /// The library's implementations, best first; the reference one, a hundred
  /// times slower, only where there is no other.
  std::vector<dnnl::matmul::primitive_desc>
  candidates(const dnnl::engine &engine) const;
};

/// The library's threads for what the calling thread creates and runs.
void setGemmThreads(int numThreads);

GemmProblem describeGemm(const fsdprt_gemm_desc &desc);

/// Bytes of scratchpad to plan on this host for `threads` threads, which the
/// calling thread keeps: what the best implementation asks for, in f32, where
/// the next is as fast, what the most modest does; -1 when the library has no
/// such product here.
int64_t gemmScratchBytes(const fsdprt_gemm_desc &desc, int threads);

} // namespace fsdprt

#endif // FSDPRT_DEVICE_GEMMPROBLEM_H
