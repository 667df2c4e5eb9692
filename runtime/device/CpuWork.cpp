//===- CpuWork.cpp - What operations do on the CPU ------------------------===//

#include "device/CpuWork.h"

#include <algorithm>

using namespace fsdprt;

Expected<std::unique_ptr<StreamWork>>
KernelWork::create(const fsdprt_launch_desc &desc, const Dispatch &operation,
                   WorkerPool &workers) {
  std::unique_ptr<KernelWork> work(new KernelWork(desc, workers));
  for (DeviceAddress address : operation.args)
    work->args.push_back(hostPointer(address));
  int64_t most = desc.op.stream == FSDPRT_STREAM_COMPUTE ? workers.size() : 1;
  if (desc.scratch_bytes) {
    if (desc.op.num_args < 1 || desc.scratch_bytes < 0 ||
        desc.op.args[desc.op.num_args - 1].bytes < desc.scratch_bytes)
      return failure("the last argument does not hold ", desc.scratch_bytes,
                     " bytes of scratch");
    work->scratch = static_cast<char *>(work->args.back());
    work->args.pop_back();
    most = std::min<int64_t>(most, desc.op.args[desc.op.num_args - 1].bytes /
                                       desc.scratch_bytes);
  }
  work->maxWorkers = int(std::min(most, desc.extent));
  work->body = [kernel = work.get()](int worker, int64_t begin, int64_t end) {
    return kernel->run(worker, begin, end);
  };
  return std::unique_ptr<StreamWork>(std::move(work));
}

Status KernelWork::begin() {
  fsdprt_status status = maxWorkers == 1
                             ? run(0, 0, desc.extent)
                             : workers.run(desc.extent, maxWorkers, body);
  if (status)
    return failure("the kernel failed with status ", status);
  return Status();
}
