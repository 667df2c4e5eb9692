//===- Autotune.h - Products by the fastest algorithms ----------*- C++ -*-===//

#ifndef FSDPRT_CUDA_AUTOTUNE_H
#define FSDPRT_CUDA_AUTOTUNE_H

#include "cuda/CudaStreams.h"
#include "cuda/LtProducts.h"
#include "cuda/TunedFile.h"

namespace fsdprt::cuda {

/// Measures each product of a program by all algorithms that the library would
/// choose from, once: a file keeps the fastest. Rank 0 measures or reads, and
/// all ranks use the same: so that they, and runs with the same file, have the
/// same bits.
class Autotune {
public:
  /// Of the options: autotune, slot, onWarning. Everything outlives it.
  Autotune(const Gpu &gpu, CudaStreams &streams, LtProducts &products,
           Control &control, int rank, const Device::Options &options)
      : gpu(gpu), streams(streams), products(products), control(control),
        rank(rank), options(options) {}

  /// On all ranks, while streams are idle; takes memory of the GPU meanwhile.
  Status run();

private:
  Status checkAlike(const Tuned &here);
  Status choose(Tuned &here);
  Expected<cublasLtMatmulAlgo_t> fastest(LtProduct &product);
  Expected<float> measure(const LtProduct &product,
                          const std::vector<uint64_t> &args);
  Status share(const Tuned &chosen);

  const Gpu &gpu;
  CudaStreams &streams;
  LtProducts &products;
  Control &control;
  const int rank;
  const Device::Options &options;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_AUTOTUNE_H
