//===- CudaDevice.cpp - A GPU as a rank's device --------------------------===//

#include "cuda/CudaDevice.h"

#include "device/GemmCheck.h"

#include <cstring>

using namespace fsdprt;
using namespace fsdprt::cuda;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

CudaDevice::CudaDevice(std::shared_ptr<Gpu> given, const Manifest &manifest,
                       Communicator &communicator, Options settings)
    : gpu(std::move(given)), memoryUse(*gpu, manifest.plannedPeakBytes),
      options(std::move(settings)), talk(communicator, talkState, options),
      communicator(communicator), streams(*gpu, options),
      times(*gpu, streams, options.trace), graphs(*gpu, streams),
      host(*gpu, streams), words(*gpu), arenas(*gpu, options) {}

/// What the CPU's device does and this one does not.
static Status checkOptions(const Device::Options &options) {
  if (options.commDelaySeconds > 0)
    return failure("--comm-delay slows down the CPU's collectives; this "
                   "program is for a GPU");
  return Status();
}

/// That no two ranks, which may each see one GPU only, have the same.
static Status checkDistinct(const Gpu &gpu, Control &control, int rank) {
  CUuuid mine = gpu.uuid();
  std::vector<CUuuid> all(size_t(control.numRanks()));
  std::vector<Transfer> transfers(all.size());
  for (size_t peer = 0; peer < all.size(); ++peer)
    transfers[peer] = {&mine, &all[peer], sizeof(CUuuid)};
  FSDPRT_RETURN_IF_ERROR(control.exchange(std::move(transfers)));
  for (int peer = 0; peer < control.numRanks(); ++peer)
    if (peer != rank && std::memcmp(&all[peer], &mine, sizeof(mine)) == 0)
      return failure("ranks ", std::min(peer, rank), " and ",
                     std::max(peer, rank), " have the same GPU (", gpu.name(),
                     "): give each its own, or let them share with --comm mpi, "
                     "whose collectives go through the host");
  return Status();
}

Expected<std::unique_ptr<Device>> CudaDevice::create(const Manifest &manifest,
                                                     HostPlace place,
                                                     Exchanges exchanges,
                                                     Communicator &communicator,
                                                     Options options) {
  FSDPRT_RETURN_IF_ERROR(checkOptions(options));
  auto gpu = Gpu::open(place, exchanges);
  if (!gpu.ok())
    return gpu.status();
  std::unique_ptr<CudaDevice> device(new CudaDevice(
      std::move(*gpu), manifest, communicator, std::move(options)));
  FSDPRT_RETURN_IF_ERROR(device->open(manifest, exchanges));
  return std::unique_ptr<Device>(std::move(device));
}

Status CudaDevice::open(const Manifest &manifest, Exchanges exchanges) {
  FSDPRT_RETURN_IF_ERROR(memoryUse.begin(talk));
  auto image = KernelImage::load(*gpu, manifest);
  if (!image.ok())
    return image.status();
  kernels.emplace(std::move(*image));
  if (communicator.size() > 1 && exchanges == Exchanges::Nccl) {
    FSDPRT_RETURN_IF_ERROR(checkDistinct(*gpu, talk, communicator.rank()));
    auto group = NcclGroup::create(talk, communicator.rank(),
                                   int(manifest.communicators.size()),
                                   options.timeoutSeconds);
    if (!group.ok())
      return group.status();
    nccl = std::move(*group);
  }
  streams.setCheck([this]() -> Status {
    FSDPRT_RETURN_IF_ERROR(talkState.status());
    return nccl ? nccl->check() : Status();
  });
  return Status();
}

CudaDevice::~CudaDevice() {
  // Nothing of it may be in use when memory goes; after a fault it is not.
  if (!failed())
    (void)streams.drainAll();
  // NCCL waits for graphs that hold its operations before it ends.
  graphs.clear();
  if (nccl && !failed())
    nccl->deregisterWindows();
}

Expected<DeviceAddress> CudaDevice::allocate(const ArenaSpec &arena) {
  if (arenas.empty())
    FSDPRT_RETURN_IF_ERROR(memoryUse.checkFits(talk));
  auto address = arenas.allocate(arena, nccl.get(), talk);
  if (!address.ok())
    return address.status();
  return DeviceAddress(*address);
}

//===----------------------------------------------------------------------===//
// Binding
//===----------------------------------------------------------------------===//

Device::Bound CudaDevice::bound(Enqueue enqueue, const Dispatch &operation) {
  auto work = std::make_unique<CudaWork>(std::move(enqueue));
  if (operation.op->record >= 0) {
    Expected<Event> event = Event::create(*gpu);
    if (!event.ok())
      return event.status();
    work->event = std::move(*event);
  }
  if (gpu->isSimulated())
    for (int32_t i = 0; i < operation.op->num_args; ++i)
      work->ranges.push_back({uint64_t(operation.args[i]),
                              operation.op->args[i].bytes,
                              operation.op->args[i].access, 0});
  return std::unique_ptr<Work>(std::move(work));
}

Status CudaDevice::prepare(const fsdprt_gemm_desc &desc) {
  if (!products) {
    auto created = LtProducts::create();
    if (!created.ok())
      return created.status();
    products = std::move(*created);
  }
  FSDPRT_RETURN_IF_ERROR(checkGemm(desc));
  return products->find(desc).status();
}

static Status checkLaunch(const fsdprt_launch_desc &desc) {
  if (!desc.symbol || desc.blocks < 1 || desc.threads < 1)
    return failure("it has no grid: the program was compiled for a CPU");
  if (desc.scratch_bytes == 0)
    return Status();
  int64_t needed = desc.scratch_bytes * desc.blocks;
  if (desc.op.num_args < 1 || desc.op.args[desc.op.num_args - 1].bytes < needed)
    return failure("the last argument does not hold ", needed,
                   " bytes of scratch for ", desc.blocks, " blocks");
  return Status();
}

Device::Bound CudaDevice::bindLaunch(const fsdprt_launch_desc &desc,
                                     const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(checkLaunch(desc));
  Expected<CUfunction> function = kernels->find(desc.symbol, desc.threads);
  if (!function.ok())
    return function.status();
  auto status = words.next();
  if (!status.ok())
    return status.status();
  Bound work =
      bound(launchOf(*gpu, *function, desc, operation, *status), operation);
  if (work.ok()) {
    static_cast<CudaWork &>(**work).status = *status;
    launches.push_back(&operation);
  }
  return work;
}

Device::Bound CudaDevice::bindProduct(const fsdprt_gemm_desc &desc,
                                      const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(prepare(desc));
  const LtProduct *product = *products->find(desc);
  return bound(
      [product, args = addressesOf(operation)](CUstream stream) {
        return product->run(args.data(), stream);
      },
      operation);
}

Device::Bound CudaDevice::bindFill(const fsdprt_fill_desc &desc,
                                   const Dispatch &operation) {
  return bound(fillOf(*gpu, desc, operation), operation);
}

Device::Bound CudaDevice::bindCopy(const fsdprt_copy_desc &desc,
                                   const Dispatch &operation) {
  auto from = uint64_t(operation.args[0]), to = uint64_t(operation.args[1]);
  auto bytes = uint64_t(desc.op.args[0].bytes);
  if (from != to && from < to + bytes && to < from + bytes)
    return failure("it copies ", bytes,
                   " bytes to where some of them are read from");
  const Gpu &device = *gpu;
  return bound(
      [&device, from, to, bytes](CUstream stream) {
        return device.check("cuMemcpyDtoDAsync", device.api().cuMemcpyDtoDAsync(
                                                     to, from, bytes, stream));
      },
      operation);
}

/// Through pinned memory, as the program's own is not.
Device::Bound CudaDevice::bindConstant(const fsdprt_constant_desc &desc,
                                       const Dispatch &operation) {
  return bindHost(
      [&desc](void *const *memory) {
        std::memcpy(memory[0], desc.data, size_t(desc.op.args[0].bytes));
        return Status();
      },
      operation);
}

Device::Bound CudaDevice::bindCollective(CollectiveKind kind,
                                         const fsdprt_collective_desc &desc,
                                         const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(checkCollective(kind, desc, communicator.size(),
                                         /*sumsNeedScratch=*/false));
  if (!nccl)
    return bindStaged(kind, desc, operation);
  Enqueue zero = kind == CollectiveKind::ReduceScatter
                     ? zeroGapsOf(*gpu, desc, operation)
                     : nullptr;
  return bound(
      [this, kind, &desc, zero = std::move(zero),
       args = addressesOf(operation)](CUstream stream) -> Status {
        if (zero)
          FSDPRT_RETURN_IF_ERROR(zero(stream));
        return nccl->run(kind, desc, args.data(), stream);
      },
      operation);
}

/// What the host takes part in each time is in no graph.
static Device::Bound byHost(Device::Bound work) {
  if (work.ok())
    static_cast<CudaWork &>(**work).capturable = false;
  return work;
}

Device::Bound CudaDevice::bindStaged(CollectiveKind kind,
                                     const fsdprt_collective_desc &desc,
                                     const Dispatch &operation) {
  auto staged = StagedCollective::create(*gpu, words, talk, communicator, kind,
                                         desc, operation);
  if (!staged.ok())
    return staged.status();
  return byHost(bound(
      [staged = *staged](CUstream stream) { return staged->enqueue(stream); },
      operation));
}

Device::Bound CudaDevice::bindHost(HostWork work, const Dispatch &operation) {
  return byHost(bound([this, &operation, work = std::move(work)](
                          CUstream) { return host.run(work, operation); },
                      operation));
}

Device::Bound CudaDevice::bindJoin(const Dispatch &operation) {
  Bound work = bound([this](CUstream) { return join(); }, operation);
  if (work.ok())
    static_cast<CudaWork &>(**work).endsPhase = true;
  return work;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Status CudaDevice::beginPhase(int phase, int64_t) {
  streams.beginPhase();
  host.beginPhase();
  bool isTraced = options.trace && options.trace->active();
  FSDPRT_RETURN_IF_ERROR(graphs.beginPhase(
      phase, options.graphs && !options.checked && !isTraced));
  Status uploaded = host.upload(graphs.toUpload(host.takeWritten()));
  if (graphs.mode() != GraphRunner::Mode::Capture)
    FSDPRT_RETURN_IF_ERROR(uploaded);
  else if (!uploaded.ok())
    graphs.abandon(uploaded);
  return times.beginPhase(graphs.mode() == GraphRunner::Mode::Eager);
}

Status CudaDevice::enqueue(const Dispatch &operation) {
  CudaWork &work = cudaWorkOf(operation);
  if (graphs.mode() == GraphRunner::Mode::Replay) {
    FSDPRT_RETURN_IF_ERROR(graphs.expect(operation));
    return work.endsPhase ? join() : Status();
  }
  graphs.add(operation, work.capturable);
  if (graphs.mode() == GraphRunner::Mode::Eager)
    return issue(operation);
  return capture(operation);
}

/// Once one operation cannot be captured, the phase runs when all are known.
Status CudaDevice::capture(const Dispatch &operation) {
  if (cudaWorkOf(operation).endsPhase) {
    Ranges::Range range = ranges.of(*operation.op);
    return join();
  }
  if (graphs.mode() == GraphRunner::Mode::Capture)
    if (Status status = issue(operation); !status.ok())
      graphs.abandon(status);
  return Status();
}

/// Puts an operation on its stream.
Status CudaDevice::issue(const Dispatch &operation) {
  CudaWork &work = cudaWorkOf(operation);
  const fsdprt_op &op = *operation.op;
  Ranges::Range range = ranges.of(op);
  markOperation(options.slot, operation.mark, OperationState::Issued);
  FSDPRT_RETURN_IF_ERROR(times.beforeWaits(operation));
  FSDPRT_RETURN_IF_ERROR(streams.waitForEvents(op));
  FSDPRT_RETURN_IF_ERROR(times.beforeWork(operation));
  gpu->announce(op.name, op.unit, work.ranges);
  FSDPRT_RETURN_IF_ERROR(work.enqueue(gpu->stream(op.stream)));
  FSDPRT_RETURN_IF_ERROR(times.afterWork(operation));
  FSDPRT_RETURN_IF_ERROR(streams.record(op, work.event));
  if (options.checked) { // so that the one that fails is known
    FSDPRT_RETURN_IF_ERROR(streams.drain(op.stream));
    FSDPRT_RETURN_IF_ERROR(checkKernel(operation));
  }
  markOperation(options.slot, operation.mark, OperationState::Ended);
  return Status();
}

Status CudaDevice::launchGraph() {
  Ranges::Range range = ranges.of("graph");
  return graphs.launch();
}

/// The end of a phase's operations: a graph of them is made, or runs.
Status CudaDevice::join() {
  if (graphs.mode() == GraphRunner::Mode::Abandoned)
    return replace(graphs.abandoned());
  if (graphs.mode() == GraphRunner::Mode::Capture) {
    Status status = captureEnd();
    if (status.ok())
      status = launchGraph();
    if (!status.ok()) {
      graphs.abandon(status);
      return replace(status);
    }
  } else if (graphs.mode() == GraphRunner::Mode::Replay) {
    FSDPRT_RETURN_IF_ERROR(launchGraph());
    host.expectDownloads(graphs.downloads());
  }
  return drain();
}

/// Behind all streams: results may come from any.
Status CudaDevice::captureEnd() {
  FSDPRT_RETURN_IF_ERROR(streams.joinStreams(FSDPRT_STREAM_COMPUTE));
  Expected<size_t> downloads = host.download();
  if (!downloads.ok())
    return downloads.status();
  return graphs.endCapture(*downloads);
}

/// Runs one by one what could not be captured.
Status CudaDevice::replace(const Status &problem) {
  if (options.onWarning)
    options.onWarning("the GPU's operations cannot be made a graph (" +
                      problem.message() +
                      "); they are launched one by one, as with --graph off");
  streams.beginPhase();
  host.beginPhase();
  FSDPRT_RETURN_IF_ERROR(host.upload(graphs.capturedUploads()));
  for (const Dispatch *operation : graphs.captured())
    if (!cudaWorkOf(*operation).endsPhase) // which is where this is
      FSDPRT_RETURN_IF_ERROR(issue(*operation));
  return drain();
}

/// A kernel that failed has said so in its word.
Status CudaDevice::checkKernel(const Dispatch &launch) {
  const PinnedWords::Word &word = cudaWorkOf(launch).status;
  if (!word.host || *word.host == 0)
    return Status();
  std::string unit = launch.op->unit;
  return failure("operation ", launch.index(), " ('", launch.op->name, "'",
                 unit.empty() ? "" : " of unit '" + unit + "'",
                 "): the kernel failed with status ", *word.host);
}

Status CudaDevice::checkKernels() {
  for (const Dispatch *launch : launches)
    FSDPRT_RETURN_IF_ERROR(checkKernel(*launch));
  return Status();
}

Status CudaDevice::finishPhase() {
  FSDPRT_RETURN_IF_ERROR(streams.drainAll());
  FSDPRT_RETURN_IF_ERROR(checkKernels());
  return times.finishPhase();
}

/// What fails in a phase's last wait comes of any of its operations.
Status CudaDevice::drain() {
  if (!failed())
    problem = finishPhase();
  return problem;
}
