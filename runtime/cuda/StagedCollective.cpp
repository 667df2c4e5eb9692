//===- StagedCollective.cpp - Collectives through the host ----------------===//

#include "cuda/StagedCollective.h"

#include "core/DType.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

Expected<std::shared_ptr<StagedCollective>>
StagedCollective::create(const Gpu &gpu, PinnedWords &words,
                         StagingMemory &staging, CommunicationThread &thread,
                         Communicator &communicator, CollectiveKind kind,
                         const fsdprt_collective_desc &desc,
                         const Dispatch &operation) {
  std::shared_ptr<StagedCollective> staged(
      new StagedCollective(gpu, thread, communicator, kind, operation));
  for (PinnedWords::Word *word : {&staged->isSent, &staged->isReady}) {
    auto next = words.next();
    if (!next.ok())
      return next.status();
    *word = *next;
  }
  auto memory = staging.reserve(desc.comm, staged->describe(desc));
  if (!memory.ok())
    return memory.status();
  staged->memory = *memory;
  FSDPRT_RETURN_IF_ERROR(staged->place());
  return staged;
}

/// The host's collective: the same arguments, and scratch for what is summed.
/// Bytes of them all.
int64_t StagedCollective::describe(const fsdprt_collective_desc &given) {
  desc = given;
  desc.op.args = args;
  desc.op.waits = nullptr;
  desc.op.num_waits = 0; // the stream has waited
  desc.op.record = -1;
  std::copy(given.op.args, given.op.args + given.op.num_args, args);
  if (kind != CollectiveKind::AllGather) {
    fsdprt_arg &scratch = args[desc.op.num_args++];
    scratch.access = FSDPRT_ACCESS_SCRATCH;
    scratch.bytes = desc.count * sizeOfDType(desc.dtype) * communicator.size();
  }
  task.op = &desc.op;
  task.mark = operation.mark;
  task.work = std::make_unique<HostPart>(*this);
  int64_t bytes = 0;
  for (int32_t i = 0; i < desc.op.num_args; ++i)
    bytes += args[i].bytes;
  return std::max<int64_t>(bytes, 1);
}

/// In pinned memory, one argument behind the other.
Status StagedCollective::place() {
  void *host[3] = {};
  char *next = memory->data();
  for (int32_t i = 0; i < desc.op.num_args; ++i) {
    host[i] = next;
    next += args[i].bytes;
  }
  auto created = Collective::create(kind, desc, host, communicator.rank(),
                                    communicator.size());
  if (!created.ok())
    return created.status();
  collective.emplace(std::move(*created));
  char *places[] = {static_cast<char *>(host[0]), static_cast<char *>(host[1])};
  planCopies(places);
  placedAt = memory->data();
  return Status();
}

/// Of a gathered line only what the segments hold: the rest stays as it is.
void StagedCollective::planCopies(char *const *host) {
  auto whole = [&](int i) {
    return Copy{CUdeviceptr(operation.args[i]), host[i], size_t(args[i].bytes)};
  };
  sent = {whole(0)};
  received.clear();
  if (kind == CollectiveKind::AllReduce)
    received = {whole(0)};
  else if (kind == CollectiveKind::ReduceScatter || desc.num_segments == 0)
    received = {whole(1)};
  else
    for (int64_t i = 0; i < desc.num_segments; ++i) {
      int64_t size = sizeOfDType(desc.dtype) * communicator.size();
      int64_t offset = desc.segments[i].offset * size;
      received.push_back({CUdeviceptr(operation.args[1] + offset),
                          host[1] + offset,
                          size_t(desc.segments[i].count * size)});
    }
}

Status StagedCollective::enqueue(CUstream stream) {
  if (placedAt != memory->data()) // it has grown
    FSDPRT_RETURN_IF_ERROR(place());
  ++round;
  for (const Copy &copy : sent)
    FSDPRT_CUDA(gpu, cuMemcpyDtoHAsync, copy.host, copy.device, copy.bytes,
                stream);
  FSDPRT_CUDA(gpu, cuStreamWriteValue32, stream, isSent.device, round,
              CU_STREAM_WRITE_VALUE_DEFAULT);
  FSDPRT_CUDA(gpu, cuStreamWaitValue32, stream, isReady.device, round,
              CU_STREAM_WAIT_VALUE_GEQ);
  for (const Copy &copy : received) {
    if (gpu.isSimulated()) // the first copy took what was said before
      gpu.announce(
          desc.op.name, desc.op.unit,
          {{copy.device, int64_t(copy.bytes), FSDPRT_ACCESS_WRITE, 0}});
    FSDPRT_CUDA(gpu, cuMemcpyHtoDAsync, copy.device, copy.host, copy.bytes,
                stream);
  }
  return thread.enqueue(task);
}

Expected<bool> StagedCollective::test() {
  if (!isStarted) {
    if (uint32_t(__atomic_load_n(isSent.host, __ATOMIC_ACQUIRE)) != round)
      return false;
    isStarted = true;
    if (communicator.size() > 1)
      FSDPRT_RETURN_IF_ERROR(
          communicator.start(collective->channel(), collective->transfers()));
  }
  return communicator.size() > 1 ? communicator.test(collective->channel())
                                 : Expected<bool>(true);
}

Status StagedCollective::finish() {
  isStarted = false;
  collective->finish();
  __atomic_store_n(isReady.host, int32_t(round), __ATOMIC_RELEASE);
  return Status();
}
