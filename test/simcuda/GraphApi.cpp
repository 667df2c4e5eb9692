//===- GraphApi.cpp - Graphs, replayed in any order that they allow -------===//

#include "test/simcuda/Api.h"

using namespace simcuda;
using namespace fsdprt::cuda;

SIMCUDA_API cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph,
                                        unsigned long long) {
  auto lock = enter(__func__);
  *exec = nullptr;
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  if (!graph)
    return CUDA_ERROR_INVALID_VALUE;
  auto *one = new CUgraphExec_st;
  one->graph = *graph;
  one->device = device;
  for (size_t i = 0; i <= graph->labels.size(); ++i)
    one->components.push_back(device->newComponent());
  *exec = one;
  return CUDA_SUCCESS;
}

static std::shared_ptr<const Task> makeMarker(const char *name) {
  auto task = std::make_shared<Task>();
  task->name = name;
  task->begin = [](const Task &, const IdentityRef &) -> Work {
    return [] { return CUDA_SUCCESS; };
  };
  return task;
}

/// A node becomes an operation that waits for its predecessors', and knows what
/// they know: nothing else orders it.
static OperationRef launch(CUgraphExec exec, const Node &node,
                           const OperationRef &start,
                           const std::vector<OperationRef> &made) {
  Clock clock = start->identity->clock;
  std::vector<OperationRef> after = {start};
  for (size_t predecessor : node.after) {
    after.push_back(made[predecessor]);
    clock.join(made[predecessor]->identity->clock);
  }
  return exec->device->add(
      node.task, exec->graph.labels[node.chain] + " of a graph",
      exec->components[node.chain], std::move(clock), std::move(after));
}

SIMCUDA_API cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  auto lock = enter(__func__);
  if (!exec || !stream || stream->device != exec->device)
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return failCapture(*stream->capture);
  Device &device = *stream->device;
  if (CUresult wrong = device.error())
    return wrong;
  // Launches of one graph follow each other, whatever their streams.
  if (exec->last) {
    stream->waits.push_back(exec->last);
    stream->clock.join(exec->last->identity->clock);
  }
  OperationRef start = device.append(stream, makeMarker("begin of a graph"));
  std::vector<OperationRef> made;
  Clock all;
  for (const Node &node : exec->graph.nodes) {
    made.push_back(launch(exec, node, start, made));
    all.join(made.back()->identity->clock);
  }
  stream->waits = made;
  stream->clock.join(all);
  exec->last = device.append(stream, makeMarker("end of a graph"));
  device.enqueued();
  return CUDA_SUCCESS;
}

SIMCUDA_API cuGraphExecDestroy(CUgraphExec exec) {
  auto lock = enter(__func__);
  delete exec;
  return exec ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SIMCUDA_API cuGraphDestroy(CUgraph graph) {
  auto lock = enter(__func__);
  delete graph;
  return graph ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
