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
  bool accumulate;

  /// The library's implementations, best first; the reference one, a hundred
  /// times slower, only where there is no other.
  std::vector<dnnl::matmul::primitive_desc>
  candidates(const dnnl::engine &engine) const;
};

/// The library's threads for what the calling thread creates and runs.
void setGemmThreads(int numThreads);

GemmProblem describeGemm(const fsdprt_gemm_desc &desc);

/// Bytes of scratchpad that the best implementation asks for on this host with
/// `threads` threads, which the calling thread keeps; 0 when the library does
/// not know the problem.
int64_t gemmScratchBytes(const fsdprt_gemm_desc &desc, int threads);

} // namespace fsdprt

#endif // FSDPRT_DEVICE_GEMMPROBLEM_H
