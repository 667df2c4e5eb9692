//===- PhaseBuilder.cpp - Dispatches of one phase -------------------------===//
#include "passes/Plan/PhaseBuilder.h"

using namespace mlir;
using namespace fsdp;

PhaseBuilder::PhaseBuilder(OpBuilder &b, Location loc, StringRef name,
                           rt::Runs runs)
    : builder(b), loc(loc) {
  phase = builder.create<rt::PhaseOp>(loc, name, runs);
  builder.setInsertionPointToStart(&phase.getBody().emplaceBlock());
}

SmallVector<Value> PhaseBuilder::takeWaits(rt::Stream stream) {
  if (stream == rt::Stream::Compute)
    return std::exchange(needed, {});
  SmallVector<Value> waits(needed);
  if (lastCompute)
    waits.push_back(lastCompute);
  return waits;
}
