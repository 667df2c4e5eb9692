//===- Gpu.h - The GPU of one rank ------------------------------*- C++ -*-===//

#ifndef FSDPRT_CUDA_GPU_H
#define FSDPRT_CUDA_GPU_H

#include "abi/fsdprt.h"
#include "cuda/Driver.h"
#include "device/HostPlace.h"

#include <memory>
#include <vector>

namespace fsdprt::cuda {

/// A GPU with its primary context and the four streams of a rank. Everything
/// that is called on it belongs to the thread that opened it, or last used it.
/// Shared by what outlives the device, as the events of bound operations.
class Gpu : public std::enable_shared_from_this<Gpu> {
public:
  /// The host's GPU that the rank takes. Processes whose exchanges go through
  /// the host may have one together; threads may not, whose streams are of one
  /// context and would wait for each other. Fails where there is none for it.
  static Expected<std::shared_ptr<Gpu>> open(HostPlace place,
                                             Exchanges exchanges);
  ~Gpu();

  /// Makes what the calling thread does be on it.
  Status use() const {
    return check("cuCtxSetCurrent", driver.cuCtxSetCurrent(context));
  }

  const Driver &api() const { return driver; }
  CUstream stream(int32_t number) const { return streams[number]; }
  const std::string &name() const { return text; }

  /// The same for all processes that see this GPU.
  const CUuuid &uuid() const { return identity; }

  /// Of the architecture: 90 is sm_90.
  int capability() const { return architecture; }

  /// How many of the host's ranks have it.
  int numRanks() const { return ranks; }

  /// Bytes that nobody has taken, and all that there are.
  struct Memory {
    int64_t free = 0, total = 0;
  };
  Expected<Memory> memory() const;

  /// A failure that names the call, unless it went well.
  Status check(const char *call, CUresult result) const {
    return driver.check(call, result);
  }

  /// Tells a simulator what is enqueued next; there is nobody to tell on a GPU.
  void announce(const char *operation, const char *unit,
                const std::vector<fsdprt_simulated_range> &ranges) const {
    if (driver.simulatedOperation)
      driver.simulatedOperation(operation, unit, ranges.data(),
                                int32_t(ranges.size()));
  }
  bool isSimulated() const { return driver.simulatedOperation; }

private:
  explicit Gpu(Driver driver) : driver(std::move(driver)) {}
  Status describe();
  Status createStreams();

  Driver driver;
  CUdevice device = 0;
  CUcontext context = nullptr; // null: not retained
  CUstream streams[FSDPRT_NUM_STREAMS] = {};
  std::string text;
  CUuuid identity = {};
  int architecture = 0;
  int ranks = 1;
};

} // namespace fsdprt::cuda

/// Returns the failure of a call of the driver:
/// FSDPRT_CUDA(gpu, cuMemFree, address).
#define FSDPRT_CUDA(GPU, FUNCTION, ...)                                        \
  FSDPRT_RETURN_IF_ERROR(                                                      \
      (GPU).check(#FUNCTION, (GPU).api().FUNCTION(__VA_ARGS__)))

#endif // FSDPRT_CUDA_GPU_H
