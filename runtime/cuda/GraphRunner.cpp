//===- GraphRunner.cpp - Phases as CUDA graphs ----------------------------===//

#include "cuda/GraphRunner.h"

#include <algorithm>

using namespace fsdprt;
using namespace fsdprt::cuda;

//===----------------------------------------------------------------------===//
// One graph
//===----------------------------------------------------------------------===//

Status Graph::create() {
  FSDPRT_CUDA(*gpu, cuStreamEndCapture, gpu->stream(FSDPRT_STREAM_COMPUTE),
              &graph);
  FSDPRT_CUDA(*gpu, cuGraphInstantiate, &exec, graph, 0);
  return Status();
}

Graph::~Graph() {
  if (exec)
    gpu->api().cuGraphExecDestroy(exec);
  if (graph)
    gpu->api().cuGraphDestroy(graph);
}

Status Graph::launch() const {
  FSDPRT_CUDA(*gpu, cuGraphLaunch, exec, gpu->stream(FSDPRT_STREAM_COMPUTE));
  return Status();
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

Status GraphRunner::beginPhase(int number, bool allowed) {
  phase = number;
  place = 0;
  if (phases.size() <= size_t(number))
    phases.resize(size_t(number) + 1);
  Phase &begun = phases[phase];
  if (begun.graph && allowed) {
    current = Mode::Replay;
    return Status();
  }
  bool captures = begun.hasRun && begun.capturable && allowed && !begun.graph;
  begun.hasRun = true;
  begun.operations.clear();
  current = captures ? Mode::Capture : Mode::Eager;
  if (!captures)
    return Status();
  FSDPRT_CUDA(gpu, cuStreamBeginCapture, gpu.stream(FSDPRT_STREAM_COMPUTE),
              CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  return streams.waitForStream(FSDPRT_STREAM_COMPUTE); // they capture, too
}

std::vector<DeviceRange>
GraphRunner::toUpload(std::vector<DeviceRange> written) {
  std::vector<DeviceRange> &captured = phases[phase].uploads;
  if (current == Mode::Capture)
    captured = written;
  if (current != Mode::Replay)
    return written;
  auto isCaptured = [&](const DeviceRange &range) {
    return std::any_of(
        captured.begin(), captured.end(), [&](const DeviceRange &known) {
          return known.begin == range.begin && known.bytes == range.bytes;
        });
  };
  written.erase(std::remove_if(written.begin(), written.end(), isCaptured),
                written.end());
  return written;
}

void GraphRunner::add(const Dispatch &operation, bool capturable) {
  phases[phase].operations.push_back(&operation);
  phases[phase].capturable &= capturable;
}

Status GraphRunner::expect(const Dispatch &operation) {
  const auto &operations = phases[phase].operations;
  if (place >= operations.size() || operations[place++] != &operation)
    return failure("it is another operation than when the phase's graph was "
                   "captured; run with --graph off");
  return Status();
}

Status GraphRunner::endCapture(size_t downloads) {
  Phase &ended = phases[phase];
  auto graph = std::make_unique<Graph>(gpu.shared_from_this());
  FSDPRT_RETURN_IF_ERROR(graph->create());
  ended.graph = std::move(graph);
  ended.downloads = downloads;
  return Status();
}

void GraphRunner::abandon(const Status &status) {
  Phase &ended = phases[phase];
  if (!ended.graph)
    (void)Graph(gpu.shared_from_this()).create(); // ends the capture
  ended.graph.reset();
  ended.capturable = false;
  current = Mode::Abandoned;
  problem = status;
}
