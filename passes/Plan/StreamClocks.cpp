//===- StreamClocks.cpp - What has happened before a dispatch -------------===//
#include "passes/Plan/StreamClocks.h"

using namespace mlir;
using namespace fsdp;

const Clock &StreamClocks::issue(Operation &op) {
  size_t stream = streamOf(op);
  Clock clock = streams[stream];
  auto include = [&](const Clock &other) {
    for (size_t s = 0; s < kNumStreams; ++s)
      clock[s] = std::max(clock[s], other[s]);
  };
  for (Value event : op.getOperands())
    include(of(event.getDefiningOp()));
  if (isa<rt::JoinOp>(op))
    for (const Clock &other : streams)
      include(other);
  ++clock[stream];
  streams[stream] = clock;
  return clocks[&op] = clock;
}
