//===- Simulate.cpp - A phase on streams and events -----------------------===//
#include "passes/Plan/Simulate.h"
#include "passes/Plan/StreamClocks.h"

#include <algorithm>

using namespace mlir;
using namespace fsdp;

SmallVector<SimulatedDispatch>
fsdp::simulate(rt::PhaseOp phase, bool computesAtIssue,
               llvm::function_ref<double(Operation &)> seconds) {
  SmallVector<SimulatedDispatch> times;
  llvm::DenseMap<Operation *, double> ends;
  std::array<double, kNumStreams> streams{};
  double host = 0;
  for (Operation &op : phase.getBody().front()) {
    size_t stream = streamOf(op);
    double start = std::max(host, streams[stream]);
    for (Value event : op.getOperands())
      start = std::max(start, ends.at(event.getDefiningOp()));
    double end = start + seconds(op);
    if (isa<rt::JoinOp>(op))
      end = std::max(end, *llvm::max_element(streams));
    times.push_back({host, start, end});
    ends[&op] = streams[stream] = end;
    if (computesAtIssue && stream == size_t(rt::Stream::Compute))
      host = end;
  }
  return times;
}
