//===- KernelImage.h - The GPU code of a program ----------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_KERNELIMAGE_H
#define FSDPRT_CUDA_KERNELIMAGE_H

#include "cuda/Gpu.h"

#include <vector>

namespace fsdprt::cuda {

/// A file of GPU code in a program's folder.
struct KernelFile {
  std::string path;
  std::string form; ///< "cubin", "ptx", "simulated"
};

/// A program's kernels, loaded.
class KernelImage {
public:
  /// The first of `files` that the driver takes; `architecture` ("sm_90") is
  /// what the program was compiled for.
  static Expected<KernelImage> load(const Gpu &gpu,
                                    const std::vector<KernelFile> &files,
                                    const std::string &architecture);
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
