//===- NcclAlone.cpp - NCCL's collectives on a communicator of one rank ---===//
//
// A program on one GPU has no collectives. This makes them all the same: on two
// communicators, in registered memory, put on a stream and replayed as a graph,
// of every type that programs gather or sum. With one rank each is a copy, so
// any other result is wrong; an all-reduce is in place and only must not harm.
// Prints a line of JSON each:
//   {"name": "all_gather of f32, communicator 0, graph", "problem": ""}
// Exit status 1 where one is wrong or nothing can be tried.
//
//===----------------------------------------------------------------------===//

#include "comm/ThreadCommunicator.h"
#include "core/DType.h"
#include "cuda/GpuArenas.h"
#include "cuda/GraphRunner.h"
#include "cuda/PinnedMemory.h"
#include "device/CommunicationThread.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstring>
#include <optional>

using namespace fsdprt;
using namespace fsdprt::cuda;

namespace {
constexpr int64_t kCount = 1003; // no multiple of what NCCL moves at once
constexpr int64_t kBytes = 8192; // of operand and of result
constexpr int kComms = 2;

struct Case {
  CollectiveKind kind;
  int32_t dtype;
  int comm;
  bool inGraph;
};

/// A rank without others.
class Alone {
public:
  Status open();
  /// Fails where the collective is no copy.
  Status check(const Case &one);

private:
  Status run(const Case &one);
  Status replay(const Case &one);
  Status move(bool toDevice);
  Status drain();

  const Device::Options options;
  ThreadCommunicator communicator{std::make_shared<ThreadGroup>(1), 0};
  StreamState state;
  CommunicationThread talk{communicator, state, options};
  Patience patience{options, /*rank=*/0};
  std::shared_ptr<Gpu> gpu;
  PinnedMemory host; // operand, result
  std::unique_ptr<NcclGroup> nccl;
  std::optional<GpuArenas> arenas;
  CUdeviceptr memory = 0; // the same
};
} // namespace

Status Alone::open() {
  auto opened = Gpu::open(HostPlace{}, Exchanges::Nccl);
  if (!opened.ok())
    return opened.status();
  gpu = std::move(*opened);
  auto pinned = PinnedMemory::create(*gpu, 2 * kBytes);
  if (!pinned.ok())
    return pinned.status();
  host = std::move(*pinned);
  auto group = NcclGroup::create(talk, 0, kComms, patience);
  if (!group.ok())
    return group.status();
  nccl = std::move(*group);
  arenas.emplace(*gpu);
  ArenaSpec arena;
  arena.name = "alone";
  arena.bytes = 2 * kBytes;
  auto address = arenas->allocate(arena, nccl.get(), talk);
  if (!address.ok())
    return address.status();
  memory = *address;
  return Status();
}

Status Alone::drain() {
  return patience.until([&]() -> Expected<bool> {
    if (std::optional<NcclGroup::Error> error = nccl->error())
      return error->status;
    CUresult result =
        gpu->api().cuStreamQuery(gpu->stream(FSDPRT_STREAM_COMPUTE));
    if (result == CUDA_ERROR_NOT_READY)
      return false;
    FSDPRT_RETURN_IF_ERROR(gpu->check("an operation on the GPU", result));
    return true;
  });
}

Status Alone::move(bool toDevice) {
  CUstream stream = gpu->stream(FSDPRT_STREAM_COMPUTE);
  if (toDevice)
    FSDPRT_CUDA(*gpu, cuMemcpyHtoDAsync, memory, host.data(), 2 * kBytes,
                stream);
  else
    FSDPRT_CUDA(*gpu, cuMemcpyDtoHAsync, host.data(), memory, 2 * kBytes,
                stream);
  return drain();
}

Status Alone::run(const Case &one) {
  fsdprt_collective_desc desc = {};
  desc.comm = one.comm;
  desc.dtype = one.dtype;
  desc.count = kCount;
  const uint64_t args[] = {memory, memory + kBytes};
  return nccl->run(one.kind, desc, args, gpu->stream(FSDPRT_STREAM_COMPUTE));
}

Status Alone::replay(const Case &one) {
  Graph graph(gpu);
  FSDPRT_CUDA(*gpu, cuStreamBeginCapture, gpu->stream(FSDPRT_STREAM_COMPUTE),
              CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  Status captured = run(one);
  FSDPRT_RETURN_IF_ERROR(graph.create());
  FSDPRT_RETURN_IF_ERROR(captured);
  FSDPRT_RETURN_IF_ERROR(graph.launch());
  FSDPRT_RETURN_IF_ERROR(graph.launch());
  return drain();
}

Status Alone::check(const Case &one) {
  char *operand = host.data(), *result = operand + kBytes;
  auto bytes = size_t(kCount * sizeOfDType(one.dtype));
  // Small integers of any type, and of floats no NaN.
  for (int64_t i = 0; i < kBytes; ++i)
    operand[i] = char(1 + i % 63);
  std::memset(result, 0, kBytes);
  FSDPRT_RETURN_IF_ERROR(move(/*toDevice=*/true));
  if (one.inGraph)
    FSDPRT_RETURN_IF_ERROR(replay(one));
  else
    FSDPRT_RETURN_IF_ERROR(run(one));
  FSDPRT_RETURN_IF_ERROR(move(/*toDevice=*/false));
  const char *found = one.kind == CollectiveKind::AllReduce ? operand : result;
  for (size_t i = 0; i < bytes; ++i)
    if (found[i] != char(1 + i % 63))
      return failure("byte ", i, " of ", bytes, " is ", int(found[i]),
                     ", expected ", 1 + i % 63);
  for (size_t i = bytes; i < kBytes; ++i)
    if (result[i] != 0)
      return failure("byte ", i, " is written, behind the ", bytes,
                     " of the result");
  return Status();
}

int main() {
  Alone alone;
  if (Status status = alone.open(); !status.ok()) {
    std::fprintf(stderr, "nccl-alone: error: %s\n", status.message().c_str());
    return 1;
  }
  const std::pair<CollectiveKind, const char *> kinds[] = {
      {CollectiveKind::AllGather, "all_gather"},
      {CollectiveKind::ReduceScatter, "reduce_scatter"},
      {CollectiveKind::AllReduce, "all_reduce"}};
  const std::pair<int32_t, const char *> dtypes[] = {{FSDPRT_F32, "f32"},
                                                     {FSDPRT_F64, "f64"},
                                                     {FSDPRT_BF16, "bf16"},
                                                     {FSDPRT_F16, "f16"}};
  int failures = 0;
  for (auto [kind, what] : kinds)
    for (auto [dtype, type] : dtypes)
      for (int comm = 0; comm < kComms; ++comm)
        for (bool inGraph : {false, true}) {
          Status status = alone.check({kind, dtype, comm, inGraph});
          failures += !status.ok();
          std::string name = std::string(what) + " of " + type +
                             ", communicator " + std::to_string(comm) +
                             (inGraph ? ", graph" : ", stream");
          nlohmann::json line = {{"name", name}, {"problem", status.message()}};
          std::printf("%s\n", line.dump().c_str());
        }
  return failures ? 1 : 0;
}
