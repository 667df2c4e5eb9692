//===- Capture.cpp - Work that becomes a graph ----------------------------===//

#include "test/simcuda/Api.h"

#include <algorithm>
#include <set>

using namespace simcuda;
using namespace fsdprt::cuda;

CUresult simcuda::failCapture(Capture &capture) {
  capture.valid = false;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult simcuda::checkNotCaptured() {
  auto &captures = simulator().captures;
  captures.remove_if([](const auto &one) { return one.expired(); });
  CUresult result = CUDA_SUCCESS;
  for (const auto &one : captures) {
    auto capture = one.lock();
    bool forbids = capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
                   (capture->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL &&
                    capture->thread == std::this_thread::get_id());
    if (forbids)
      result = failCapture(*capture);
  }
  return result;
}

/// SIMCUDA_FAIL_CAPTURE, 0 on a device that it is not about.
static int64_t failingCall(const Device &device) {
  const Settings &settings = simulator().settings;
  bool isMeant =
      settings.faultRank < 0 || settings.faultRank == device.number();
  return isMeant ? settings.failCapture : 0;
}

CUresult simcuda::addNode(CUstream stream, std::shared_ptr<const Task> task) {
  Capture &capture = *stream->capture;
  if (!capture.valid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  int64_t failing = failingCall(*stream->device);
  if (failing > 1 && int64_t(capture.graph.nodes.size()) + 1 >= failing)
    return failCapture(capture);
  capture.graph.nodes.push_back(
      {std::move(task), std::move(stream->nodes), stream->chain});
  stream->nodes = {capture.graph.nodes.size() - 1};
  return CUDA_SUCCESS;
}

CUresult simcuda::recordCaptured(CUevent event, CUstream stream) {
  if (!stream->capture->valid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  event->marker = nullptr;
  event->capture = stream->capture;
  event->nodes = stream->nodes;
  return CUDA_SUCCESS;
}

/// The stream's operations from now on are nodes of the capture.
static void join(CUstream stream, const std::shared_ptr<Capture> &capture) {
  stream->capture = capture;
  stream->chain = capture->streams.size();
  stream->nodes.clear();
  capture->streams.push_back(stream);
  capture->graph.labels.push_back(stream->label);
}

CUresult simcuda::waitCaptured(CUstream stream, CUevent event) {
  if (stream->capture && !event->capture) {
    if (!event->marker)
      return CUDA_SUCCESS;
    stream->capture->valid = false;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (!event->capture->valid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!event->capture->origin)
    return CUDA_ERROR_CAPTURED_EVENT; // of a capture that has ended
  if (stream->capture && stream->capture != event->capture)
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  if (!stream->capture)
    join(stream, event->capture);
  for (size_t node : event->nodes)
    if (std::find(stream->nodes.begin(), stream->nodes.end(), node) ==
        stream->nodes.end())
      stream->nodes.push_back(node);
  return CUDA_SUCCESS;
}

SIMCUDA_API cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  auto lock = enter(__func__);
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult wrong = stream->device->error())
    return wrong;
  if (stream->capture || mode > CU_STREAM_CAPTURE_MODE_RELAXED)
    return CUDA_ERROR_INVALID_VALUE;
  auto capture = std::make_shared<Capture>();
  capture->origin = stream;
  capture->mode = mode;
  capture->issued = stream->device->issued;
  capture->thread = std::this_thread::get_id();
  join(stream, capture);
  simulator().captures.push_back(capture);
  return CUDA_SUCCESS;
}

/// Nodes that some node in `last` comes after, and those themselves.
static std::set<size_t> reached(const CUgraph_st &graph,
                                const std::vector<size_t> &last) {
  std::set<size_t> found(last.begin(), last.end());
  for (size_t i = graph.nodes.size(); i-- > 0;)
    if (found.count(i))
      found.insert(graph.nodes[i].after.begin(), graph.nodes[i].after.end());
  return found;
}

static bool isJoined(const Capture &capture) {
  std::set<size_t> found = reached(capture.graph, capture.origin->nodes);
  for (CUstream stream : capture.streams)
    for (size_t node : stream->nodes)
      if (!found.count(node)) {
        report("cuStreamEndCapture: '%s' on %s is not joined to the stream "
               "that is captured",
               capture.graph.nodes[node].task->name.c_str(),
               stream->label.c_str());
        return false;
      }
  return true;
}

static void end(Capture &capture) {
  for (CUstream stream : capture.streams) {
    stream->capture = nullptr;
    stream->nodes.clear();
  }
  capture.origin = nullptr;
  simulator().captures.remove_if(
      [&](const auto &one) { return one.lock().get() == &capture; });
}

static CUresult finish(Capture &capture) {
  if (failingCall(*capture.origin->device) == 1 || !capture.valid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!isJoined(capture))
    return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  auto lock = enter(__func__);
  *graph = nullptr;
  if (!stream || !stream->capture)
    return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Capture> capture = stream->capture;
  if (capture->origin != stream)
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      capture->thread != std::this_thread::get_id())
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  CUresult result = finish(*capture);
  end(*capture);
  if (result == CUDA_SUCCESS)
    *graph = new CUgraph_st(std::move(capture->graph));
  return result;
}
