//===- CpuDevice.cpp - The host as a device -------------------------------===//

#include "device/CpuDevice.h"

#include "device/CpuWork.h"

#include <cstring>

using namespace fsdprt;

CpuDevice::CpuDevice(Communicator &communicator, Options given)
    : options(std::move(given)), communicator(communicator),
      workers(options.threads, options.onThreadStart), gemm(options.threads),
      communication(communicator, state, options),
      compute(communication, options) {
  std::fill(std::begin(streams), std::end(streams), &communication);
  streams[FSDPRT_STREAM_COMPUTE] = &compute;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Expected<DeviceAddress> CpuDevice::allocate(const ArenaSpec &spec) {
  Expected<Arena> arena = Arena::create(spec.name, spec.bytes, options.checked);
  if (!arena.ok())
    return arena.status();
  if (options.checked)
    arena->fillWithNan(0, spec.bytes);
  arenas.push_back(std::move(*arena));
  return DeviceAddress(uint64_t(arenas.back().base()));
}

void *CpuDevice::hostWrite(const DeviceRange &range) {
  return hostPointer(range.begin);
}

Expected<const void *> CpuDevice::hostRead(const DeviceRange &range) {
  return static_cast<const void *>(hostPointer(range.begin));
}

Status CpuDevice::download(const DeviceRange &range, void *to) {
  std::memcpy(to, hostPointer(range.begin), size_t(range.bytes));
  return Status();
}

Status CpuDevice::upload(const DeviceRange &range, const void *from) {
  std::memcpy(hostPointer(range.begin), from, size_t(range.bytes));
  return Status();
}

//===----------------------------------------------------------------------===//
// Binding
//===----------------------------------------------------------------------===//

static std::vector<void *> hostPointers(const Dispatch &operation) {
  std::vector<void *> pointers;
  for (DeviceAddress address : operation.args)
    pointers.push_back(hostPointer(address));
  return pointers;
}

Status CpuDevice::prepare(const fsdprt_gemm_desc &desc) {
  return gemm.prepare(desc);
}

Device::Bound CpuDevice::bound(std::unique_ptr<StreamWork> work,
                               const Dispatch &operation) {
  state.reserve(*operation.op);
  return std::unique_ptr<Work>(std::move(work));
}

Device::Bound CpuDevice::bindLaunch(const fsdprt_launch_desc &desc,
                                    const Dispatch &operation) {
  auto work = KernelWork::create(desc, operation, workers);
  if (!work.ok())
    return work.status();
  return bound(std::move(*work), operation);
}

Device::Bound CpuDevice::bindProduct(const fsdprt_gemm_desc &desc,
                                     const Dispatch &operation) {
  if (desc.op.stream != FSDPRT_STREAM_COMPUTE)
    return failure("a matrix product runs on the compute stream only");
  auto product = gemm.bind(desc, hostPointers(operation).data());
  if (!product.ok())
    return product.status();
  return bound(std::make_unique<ProductWork>(std::move(*product)), operation);
}

Device::Bound CpuDevice::bindFill(const fsdprt_fill_desc &desc,
                                  const Dispatch &operation) {
  return bindHost(
      [&desc](void *const *host) {
        std::memset(host[0], desc.byte, desc.op.args[0].bytes);
        return Status();
      },
      operation);
}

Device::Bound CpuDevice::bindCopy(const fsdprt_copy_desc &desc,
                                  const Dispatch &operation) {
  return bindHost(
      [&desc](void *const *host) {
        std::memmove(host[1], host[0], desc.op.args[0].bytes);
        return Status();
      },
      operation);
}

Device::Bound CpuDevice::bindConstant(const fsdprt_constant_desc &desc,
                                      const Dispatch &operation) {
  return bindHost(
      [&desc](void *const *host) {
        std::memcpy(host[0], desc.data, desc.op.args[0].bytes);
        return Status();
      },
      operation);
}

Device::Bound CpuDevice::bindCollective(CollectiveKind kind,
                                        const fsdprt_collective_desc &desc,
                                        const Dispatch &operation) {
  auto collective =
      Collective::create(kind, desc, hostPointers(operation).data(),
                         communicator.rank(), communicator.size());
  if (!collective.ok())
    return collective.status();
  return bound(
      std::make_unique<CollectiveWork>(communicator, std::move(*collective)),
      operation);
}

Device::Bound CpuDevice::bindHost(HostWork work, const Dispatch &operation) {
  auto task = [work = std::move(work), host = hostPointers(operation)] {
    return work(host.data());
  };
  return bound(std::make_unique<HostTask>(std::move(task)), operation);
}

Device::Bound CpuDevice::bindJoin(const Dispatch &operation) {
  auto task = [this, &operation]() -> Status {
    bool isTraced = options.trace && options.trace->active();
    int64_t begin = isTraced ? Trace::now() : 0;
    FSDPRT_RETURN_IF_ERROR(communication.drain());
    int64_t end = isTraced ? Trace::now() : 0;
    if (isTraced && end - begin >= Trace::leastWait)
      options.trace->add(Trace::Program, TraceSpan::Kind::Wait, operation.op,
                         operation.index(), begin, end);
    return Status();
  };
  return bound(std::make_unique<HostTask>(std::move(task)), operation);
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Status CpuDevice::beginPhase(int, int64_t) {
  state.beginPhase();
  return Status();
}

Status CpuDevice::enqueue(const Dispatch &operation) {
  return streams[operation.op->stream]->enqueue(operation);
}
