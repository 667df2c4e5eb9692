//===- Autotune.cpp - Products by the fastest algorithms ------------------===//

#include "cuda/Autotune.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

using namespace fsdprt;
using namespace fsdprt::cuda;

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

namespace {
/// A product's arguments, one behind the other, all of the same small numbers.
class Operands {
public:
  explicit Operands(const Gpu &gpu) : gpu(gpu) {}
  ~Operands() {
    if (begin)
      gpu.api().cuMemFree(begin);
  }
  Operands(const Operands &) = delete;

  Status create(const std::vector<int64_t> &sizes, CUstream stream) {
    constexpr uint64_t alignment = 256; // that of arenas
    uint64_t end = 0;
    for (int64_t size : sizes) {
      args.push_back(end);
      end += (uint64_t(size) + alignment - 1) / alignment * alignment;
    }
    FSDPRT_CUDA(gpu, cuMemAlloc, &begin, end);
    for (uint64_t &arg : args)
      arg += begin;
    constexpr unsigned char small = 0x3c; // about 0.01 in f32 and bf16
    FSDPRT_CUDA(gpu, cuMemsetD8Async, begin, small, end, stream);
    return Status();
  }

  std::vector<uint64_t> args;

private:
  const Gpu &gpu;
  CUdeviceptr begin = 0;
};
} // namespace

/// Milliseconds: the median of a few runs.
Expected<float> Autotune::measure(const LtProduct &product,
                                  const std::vector<uint64_t> &args) {
  CUstream stream = gpu.stream(FSDPRT_STREAM_COMPUTE);
  auto begin = Event::create(gpu, CU_EVENT_DEFAULT);
  auto end = Event::create(gpu, CU_EVENT_DEFAULT);
  FSDPRT_RETURN_IF_ERROR(begin.status());
  FSDPRT_RETURN_IF_ERROR(end.status());
  FSDPRT_RETURN_IF_ERROR(product.run(args.data(), stream)); // loads its code
  std::array<float, 5> times = {};
  for (float &time : times) {
    FSDPRT_CUDA(gpu, cuEventRecord, begin->get(), stream);
    FSDPRT_RETURN_IF_ERROR(product.run(args.data(), stream));
    FSDPRT_CUDA(gpu, cuEventRecord, end->get(), stream);
    FSDPRT_RETURN_IF_ERROR(streams.drain(FSDPRT_STREAM_COMPUTE));
    FSDPRT_CUDA(gpu, cuEventElapsedTime, &time, begin->get(), end->get());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

Expected<cublasLtMatmulAlgo_t> Autotune::fastest(LtProduct &product) {
  auto candidates = product.candidates();
  if (!candidates.ok())
    return candidates.status();
  Operands operands(gpu);
  FSDPRT_RETURN_IF_ERROR(
      operands.create(product.sizes(), gpu.stream(FSDPRT_STREAM_COMPUTE)));
  cublasLtMatmulAlgo_t best = candidates->front();
  float least = std::numeric_limits<float>::infinity();
  for (const cublasLtMatmulAlgo_t &candidate : *candidates) {
    FSDPRT_RETURN_IF_ERROR(product.use(candidate));
    Expected<float> time = measure(product, operands.args);
    if (!time.ok())
      return time.status();
    if (*time < least) {
      least = *time;
      best = candidate;
    }
    markProgress(options.slot); // others wait
  }
  FSDPRT_RETURN_IF_ERROR(product.use(best));
  return best;
}

//===----------------------------------------------------------------------===//
// Choosing
//===----------------------------------------------------------------------===//

/// On rank 0: of the file as far as it goes, measured where it does not.
Status Autotune::choose(Tuned &here) {
  auto kept = readTuned(options.autotune);
  if (!kept.ok())
    return kept.status();
  if (*kept && (*kept)->origin() == here.origin())
    here.algorithms = (*kept)->algorithms;
  else if (*kept && options.onWarning)
    options.onWarning("'" + options.autotune + "' was measured on " +
                      (*kept)->origin() + ", and this is " + here.origin() +
                      ": it is measured again");
  bool isNew = false;
  for (const auto &[name, product] : products.all()) {
    if (auto known = here.algorithms.find(name);
        known != here.algorithms.end()) {
      if (Status status = product->use(known->second); !status.ok())
        return failure("'", options.autotune, "', product ", name, ": ",
                       status.message(),
                       "; remove the file, and it is measured again");
      continue;
    }
    Expected<cublasLtMatmulAlgo_t> best = fastest(*product);
    if (!best.ok())
      return failure("--autotune cannot measure product ", name, ": ",
                     best.status().message());
    here.algorithms[name] = *best;
    isNew = true;
  }
  return isNew ? writeTuned(here, options.autotune) : Status();
}

/// What is fast on rank 0 is nothing on another kind of GPU.
Status Autotune::checkAlike(const Tuned &here) {
  std::array<char, 256> origin = {};
  std::strncpy(origin.data(), here.origin().c_str(), origin.size() - 1);
  auto all = control.gather(origin);
  if (!all.ok())
    return all.status();
  auto other = std::find_if(all->begin(), all->end(), [&](const auto &one) {
    return one != all->front();
  });
  if (other == all->end())
    return Status();
  return failure("--autotune is for ranks that are alike: rank 0 is on ",
                 all->front().data(), ", rank ", other - all->begin(), " on ",
                 other->data());
}

Status Autotune::share(const Tuned &chosen) {
  Status mine;
  for (const auto &[name, product] : products.all()) {
    cublasLtMatmulAlgo_t algorithm = {};
    if (rank == 0)
      algorithm = chosen.algorithms.at(name);
    auto all = control.gather(algorithm);
    if (!all.ok())
      return all.status();
    if (mine.ok() && rank != 0)
      mine = product->use(all->front());
  }
  return mine;
}

Status Autotune::run() {
  Tuned here;
  here.device = gpu.name();
  here.driver = gpu.api().version;
  here.library = int64_t(products.version());
  FSDPRT_RETURN_IF_ERROR(checkAlike(here));
  Status mine = rank == 0 ? choose(here) : Status();
  Expected<std::string> failed = control.firstFailure(mine);
  FSDPRT_RETURN_IF_ERROR(mine);
  if (!failed.ok() || !failed->empty())
    return failed.ok() ? failure(*failed) : failed.status();
  return share(here);
}
