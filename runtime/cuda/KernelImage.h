//===- KernelImage.h - The GPU code of a program ----------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_KERNELIMAGE_H
#define FSDPRT_CUDA_KERNELIMAGE_H

#include "core/Manifest.h"
#include "cuda/Gpu.h"

namespace fsdprt::cuda {

/// A program's kernels, loaded.
class KernelImage {
public:
  /// The first of the program's files that the driver takes.
  static Expected<KernelImage> load(const Gpu &gpu, const Manifest &manifest);
  KernelImage(KernelImage &&other) noexcept
      : gpu(other.gpu), module(std::exchange(other.module, nullptr)) {}
  ~KernelImage();

  /// The kernel `symbol`, which takes blocks of `threads` threads.
  Expected<CUfunction> find(const char *symbol, int32_t threads) const;

private:
  KernelImage(const Gpu &gpu, CUmodule module) : gpu(&gpu), module(module) {}

  const Gpu *gpu;
  CUmodule module;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_KERNELIMAGE_H
