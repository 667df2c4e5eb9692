//===- StreamProgress.cpp - How far a GPU's streams have come -------------===//

#include "cuda/StreamProgress.h"

#include "core/OperationName.h"

#include <algorithm>

using namespace fsdprt;
using namespace fsdprt::cuda;

//===----------------------------------------------------------------------===//
// Marks
//===----------------------------------------------------------------------===//

/// Tried while nothing runs: in a capture that counts, a driver that refuses
/// them would cost the phase its graph.
static bool canCaptureMarks(const Gpu &gpu, CUdeviceptr word) {
  CUstream stream = gpu.stream(FSDPRT_STREAM_COMPUTE);
  if (gpu.api().cuStreamBeginCapture(
          stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) != CUDA_SUCCESS)
    return false;
  CUresult written = gpu.api().cuStreamWriteValue32(
      stream, word, 0, CU_STREAM_WRITE_VALUE_DEFAULT);
  CUgraph graph = nullptr;
  CUresult ended = gpu.api().cuStreamEndCapture(stream, &graph);
  if (graph)
    gpu.api().cuGraphDestroy(graph);
  return written == CUDA_SUCCESS && ended == CUDA_SUCCESS;
}

Status StreamProgress::beginPhase(bool all) {
  marksAll = all;
  bool isFirst = !streams[0].word.host;
  recorders.clear();
  for (Stream &stream : streams) {
    if (!stream.word.host) {
      auto word = words.next();
      if (!word.ok())
        return word.status();
      stream.word = *word;
    }
    *stream.word.host = 0;
    stream.operations.clear();
    stream.ended = 0;
    stream.shown = nullptr;
  }
  if (isFirst)
    canMark = canCaptureMarks(gpu, streams[0].word.device);
  return Status();
}

/// Some drivers, as of virtual machines, have no such writes, or not in graphs:
/// then nothing is known within a phase.
Status StreamProgress::mark(const Dispatch &operation) {
  if (!canMark)
    return Status();
  int32_t number = operation.op->stream;
  CUresult result = gpu.api().cuStreamWriteValue32(
      gpu.stream(number), streams[number].word.device,
      uint32_t(operation.index() + 1), CU_STREAM_WRITE_VALUE_DEFAULT);
  canMark = result != CUDA_ERROR_NOT_SUPPORTED;
  return canMark ? gpu.check("cuStreamWriteValue32", result) : Status();
}

Status StreamProgress::add(const Dispatch &operation, bool isPut) {
  const fsdprt_op &op = *operation.op;
  std::vector<Added> &operations = streams[op.stream].operations;
  if (op.num_waits && !operations.empty() && !operations.back().isMarked) {
    operations.back().isMarked = true;
    if (isPut)
      FSDPRT_RETURN_IF_ERROR(mark(*operations.back().operation));
  }
  if (op.record >= 0) {
    if (recorders.size() <= size_t(op.record))
      recorders.resize(size_t(op.record) + 1);
    recorders[op.record] = {op.stream, operations.size()};
  }
  constexpr size_t longestRange = 16;
  bool isMarked = marksAll || op.record >= 0 ||
                  operations.size() % longestRange == longestRange - 1;
  operations.push_back({&operation, isMarked});
  return Status();
}

Status StreamProgress::markBehind(const Dispatch &operation) {
  bool isMarked = streams[operation.op->stream].operations.back().isMarked;
  return isMarked ? mark(operation) : Status();
}

//===----------------------------------------------------------------------===//
// Looking
//===----------------------------------------------------------------------===//

/// Whether something is left on the stream, and all has ended that the first of
/// it waits for.
bool StreamProgress::isRunning(const Stream &stream) const {
  if (stream.ended == stream.operations.size())
    return false;
  const fsdprt_op &op = *stream.operations[stream.ended].operation->op;
  return std::all_of(op.waits, op.waits + op.num_waits, [&](int32_t event) {
    // One that nothing records is refused when the operation is enqueued.
    Place place = size_t(event) < recorders.size() ? recorders[event] : Place();
    return place.stream >= 0 && streams[place.stream].ended > place.number;
  });
}

void StreamProgress::show(Stream &stream, int64_t ended) {
  if (stream.operations.empty())
    return;
  bool isIdle = stream.ended == stream.operations.size();
  const Dispatch *front =
      stream.operations[isIdle ? stream.ended - 1 : stream.ended].operation;
  OperationState state = isIdle              ? OperationState::Ended
                         : isRunning(stream) ? OperationState::Started
                                             : OperationState::Issued;
  if (front == stream.shown && state == stream.state)
    return;
  stream.shown = front;
  stream.state = state;
  markStream(slot, front->mark, state, ended);
}

bool StreamProgress::look() {
  if (!canMark)
    return false;
  int64_t ended[FSDPRT_NUM_STREAMS] = {};
  for (int32_t i = 0; i < FSDPRT_NUM_STREAMS; ++i) {
    Stream &stream = streams[i];
    if (stream.operations.empty())
      continue;
    int32_t last = __atomic_load_n(stream.word.host, __ATOMIC_ACQUIRE) - 1;
    for (; stream.ended < stream.operations.size() &&
           stream.operations[stream.ended].operation->index() <= last;
         ++stream.ended)
      ++ended[i];
  }
  for (int32_t i = 0; i < FSDPRT_NUM_STREAMS; ++i)
    show(streams[i], ended[i]);
  return std::any_of(std::begin(ended), std::end(ended),
                     [](int64_t count) { return count > 0; });
}

void StreamProgress::endPhase() {
  for (Stream &stream : streams) {
    int64_t ended = int64_t(stream.operations.size() - stream.ended);
    stream.ended = stream.operations.size();
    show(stream, ended);
  }
  markProgress(slot);
}

//===----------------------------------------------------------------------===//
// Naming
//===----------------------------------------------------------------------===//

std::string StreamProgress::nameOf(const Stream &stream) const {
  const Dispatch *first = stream.operations[stream.ended].operation;
  size_t end = stream.ended;
  while (end + 1 < stream.operations.size() && !stream.operations[end].isMarked)
    ++end;
  const Dispatch *last = stream.operations[end].operation;
  std::string name = operationName(*first->op, first->index());
  return first == last
             ? name
             : name + " up to " + operationName(*last->op, last->index());
}

Status StreamProgress::blame(const Status &status,
                             std::optional<int32_t> number) {
  look();
  std::string names;
  if (number && isRunning(streams[*number]))
    names = nameOf(streams[*number]);
  else
    for (const Stream &stream : streams)
      if (isRunning(stream))
        names += (names.empty() ? "" : " or ") + nameOf(stream);
  if (names.empty() || !canMark)
    return status;
  return failure(names, phaseName(slot), ": ", status.message());
}
