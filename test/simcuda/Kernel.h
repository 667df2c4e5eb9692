//===- Kernel.h - Kernels and the modules that hold them --------*- C++ -*-===//

#ifndef SIMCUDA_KERNEL_H
#define SIMCUDA_KERNEL_H

#include "runtime/abi/simulated.h"
#include "test/simcuda/Simulator.h"

namespace fsdprt::cuda {
struct CUfunc_st {
  const fsdprt_simulated_kernel *kernel = nullptr;
  CUmod_st *module = nullptr;
  int64_t launches = 0;
};

struct CUmod_st {
  CUmod_st() = default;
  CUmod_st(const CUmod_st &) = delete;
  ~CUmod_st();

  int file = -1;
  void *handle = nullptr;
  fsdprt_simulated_hooks *hooks = nullptr;
  std::list<CUfunc_st> functions;
  char *shared = nullptr; ///< the module's zeroed data: its shared memory
  uint64_t sharedBytes = 0;
};
} // namespace fsdprt::cuda

namespace simcuda {

struct Launch {
  fsdprt::cuda::CUfunction function = nullptr;
  uint32_t blocks = 0;
  std::vector<uint64_t> args; ///< as the host knows them
};

/// Runs it, with every access checked against `task`'s ranges. The first
/// launches of a kernel run twice, with blocks and threads in another order,
/// and must give the same bits.
CUresult runKernel(Device &device, const Launch &launch,
                   const std::vector<Range> &ranges, bool declared,
                   const IdentityRef &who);

} // namespace simcuda

#endif // SIMCUDA_KERNEL_H
