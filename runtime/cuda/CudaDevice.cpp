//===- CudaDevice.cpp - A GPU as a rank's device --------------------------===//

#include "cuda/CudaDevice.h"

#include "core/OperationName.h"
#include "cuda/Autotune.h"

#include <cstring>
#include <utility>

using namespace fsdprt;
using namespace fsdprt::cuda;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

CudaDevice::CudaDevice(std::shared_ptr<Gpu> given, const Manifest &manifest,
                       Communicator &communicator, Options settings)
    : gpu(std::move(given)), memoryUse(*gpu, manifest.plannedPeakBytes),
      options(std::move(settings)), talk(communicator, talkState, options),
      communicator(communicator), patience(options, communicator.rank()),
      words(*gpu), progress(*gpu, words, options.slot),
      streams(*gpu, patience, progress), times(*gpu, streams, options.trace),
      graphs(*gpu, streams), host(*gpu, streams),
      binder(*gpu, streams, host, words, talk, communicator), arenas(*gpu),
      communicators(manifest.communicators) {}

/// What the CPU's device does and this one does not.
static Status checkOptions(const Device::Options &options) {
  if (options.commDelaySeconds > 0)
    return failure("--comm-delay slows down the CPU's collectives; this "
                   "program is for a GPU");
  return Status();
}

/// That no two ranks, which may each see one GPU only, have the same.
static Status checkDistinct(const Gpu &gpu, Control &control, int rank) {
  auto all = control.gather(gpu.uuid());
  if (!all.ok())
    return all.status();
  for (int peer = 0; peer < control.numRanks(); ++peer)
    if (peer != rank &&
        std::memcmp(&(*all)[peer], &gpu.uuid(), sizeof(CUuuid)) == 0)
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
  patience.setCheck([this] { return checkOthers(); });
  patience.setLook([this] { return progress.look(); });
  FSDPRT_RETURN_IF_ERROR(memoryUse.begin(talk, communicator.deviceBytes()));
  FSDPRT_RETURN_IF_ERROR(binder.loadKernels(manifest));
  if (communicator.size() > 1 && exchanges == Exchanges::Nccl) {
    FSDPRT_RETURN_IF_ERROR(checkDistinct(*gpu, talk, communicator.rank()));
    auto group =
        NcclGroup::create(talk, communicator.rank(),
                          int(manifest.communicators.size()), patience);
    if (!group.ok())
      return group.status();
    nccl = std::move(*group);
    binder.setNccl(nccl.get());
  }
  return Status();
}

/// A peer that is gone, or NCCL's error in the background: of the operation in
/// front of the communicator's stream, unless the GPU has failed, whose calls
/// are refused to NCCL as well.
Status CudaDevice::checkOthers() {
  FSDPRT_RETURN_IF_ERROR(talkState.status());
  std::optional<NcclGroup::Error> error;
  if (nccl)
    error = nccl->error();
  if (!error)
    return Status();
  int32_t stream = communicators[size_t(error->communicator)].stream;
  if (Expected<bool> idle = streams.isIdle(stream); !idle.ok())
    return idle.status();
  return progress.blame(error->status, stream);
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

/// While the memory of arenas is still free.
Status CudaDevice::tune() {
  if (options.autotune.empty() || !binder.allProducts())
    return Status();
  return Autotune(*gpu, streams, *binder.allProducts(), talk,
                  communicator.rank(), options)
      .run();
}

Expected<DeviceAddress> CudaDevice::allocate(const ArenaSpec &arena) {
  if (arenas.empty()) {
    FSDPRT_RETURN_IF_ERROR(tune());
    FSDPRT_RETURN_IF_ERROR(memoryUse.checkFits(talk));
  }
  auto address = arenas.allocate(arena, nccl.get(), talk);
  if (!address.ok())
    return address.status();
  return DeviceAddress(*address);
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
  FSDPRT_RETURN_IF_ERROR(
      progress.beginPhase(graphs.mode() == GraphRunner::Mode::Eager));
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
    return work.endsPhase ? join() : progress.add(operation, /*isPut=*/false);
  }
  graphs.add(operation, work.capturable);
  if (graphs.mode() == GraphRunner::Mode::Capture ||
      graphs.mode() == GraphRunner::Mode::Abandoned)
    return capture(operation);
  return issue(operation);
}

/// Once one operation cannot be captured, the phase runs when all are known.
Status CudaDevice::capture(const Dispatch &operation) {
  if (cudaWorkOf(operation).endsPhase) {
    Ranges::Range range = ranges.of(*operation.op);
    return join();
  }
  if (graphs.mode() == GraphRunner::Mode::Capture)
    if (Status status = put(operation); !status.ok())
      graphs.abandon(status);
  return Status();
}

/// What fails while an operation is put on its stream may be one before it,
/// which the GPU or NCCL has come to meanwhile.
Status CudaDevice::issue(const Dispatch &operation) {
  Status status = put(operation);
  if (status.ok() || failed())
    return status;
  Expected<bool> idle = streams.isIdle(operation.op->stream);
  problem = idle.ok() ? checkOthers() : idle.status();
  return status;
}

/// Puts an operation on its stream.
Status CudaDevice::put(const Dispatch &operation) {
  CudaWork &work = cudaWorkOf(operation);
  const fsdprt_op &op = *operation.op;
  Ranges::Range range = ranges.of(op);
  if (!work.endsPhase)
    FSDPRT_RETURN_IF_ERROR(progress.add(operation, /*isPut=*/true));
  FSDPRT_RETURN_IF_ERROR(times.beforeWaits(operation));
  FSDPRT_RETURN_IF_ERROR(streams.waitForEvents(op));
  FSDPRT_RETURN_IF_ERROR(times.beforeWork(operation));
  gpu->announce(op.name, op.unit, work.ranges);
  FSDPRT_RETURN_IF_ERROR(work.enqueue(gpu->stream(op.stream)));
  FSDPRT_RETURN_IF_ERROR(times.afterWork(operation));
  FSDPRT_RETURN_IF_ERROR(streams.record(op, work.event));
  if (!work.endsPhase)
    FSDPRT_RETURN_IF_ERROR(progress.markBehind(operation));
  progress.look();
  if (!options.checked)
    return Status();
  // So that the one that fails is known.
  FSDPRT_RETURN_IF_ERROR(streams.drain(op.stream));
  return checkKernel(operation);
}

Status CudaDevice::launchGraph() {
  Ranges::Range range = ranges.of("graph");
  Status status = graphs.launch();
  return status.ok() ? status
                     : failure("the phase's graph cannot be launched: ",
                               status.message(), "; run with --graph off");
}

/// The end of a phase's operations: a graph of them is made, or runs.
Status CudaDevice::join() {
  if (graphs.mode() == GraphRunner::Mode::Capture)
    if (Status status = captureEnd(); !status.ok())
      graphs.abandon(status);
  if (graphs.mode() == GraphRunner::Mode::Capture ||
      graphs.mode() == GraphRunner::Mode::Abandoned)
    FSDPRT_RETURN_IF_ERROR(agreeOnGraph());
  if (graphs.mode() == GraphRunner::Mode::Abandoned)
    return replace();
  if (graphs.mode() != GraphRunner::Mode::Eager)
    FSDPRT_RETURN_IF_ERROR(launchGraph());
  if (graphs.mode() == GraphRunner::Mode::Replay)
    host.expectDownloads(graphs.downloads());
  return drain();
}

/// NCCL wants a collective captured by all ranks or by none.
Status CudaDevice::agreeOnGraph() {
  Status mine;
  if (graphs.mode() == GraphRunner::Mode::Abandoned)
    mine = graphs.abandoned();
  Expected<std::string> failed = talk.firstFailure(mine);
  if (!failed.ok() || failed->empty())
    return failed.status();
  if (mine.ok())
    graphs.abandon(failure(*failed));
  if (options.onWarning && !std::exchange(hasWarned, true)) // once a run
    options.onWarning("the GPU's operations cannot be made a graph (" +
                      *failed +
                      "); they are launched one by one, as with --graph off");
  return Status();
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
Status CudaDevice::replace() {
  streams.beginPhase();
  host.beginPhase();
  FSDPRT_RETURN_IF_ERROR(progress.beginPhase(/*marksAll=*/true));
  FSDPRT_RETURN_IF_ERROR(host.upload(graphs.capturedUploads()));
  for (const Dispatch *operation : graphs.captured())
    if (!cudaWorkOf(*operation).endsPhase) // which is where this is
      FSDPRT_RETURN_IF_ERROR(issue(*operation));
  return drain();
}

Status CudaDevice::finishPhase() {
  FSDPRT_RETURN_IF_ERROR(streams.drainAll());
  progress.endPhase();
  if (const Dispatch *kernel = binder.findFailedKernel())
    return failure(operationName(*kernel->op, kernel->index()),
                   phaseName(options.slot), ": ",
                   checkKernel(*kernel).message());
  return times.finishPhase();
}

/// What fails in a phase's last wait comes of any of its operations.
Status CudaDevice::drain() {
  if (!failed())
    problem = finishPhase();
  return status();
}
