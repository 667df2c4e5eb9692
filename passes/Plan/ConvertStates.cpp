//===- ConvertStates.cpp - What microbatches leave to the next ------------===//
#include "passes/Plan/PhaseConverter.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

static RankedTensorType scalarF32(MLIRContext *context) {
  return RankedTensorType::get({}, Float32Type::get(context));
}

/// A kernel's `number == constant ? then : otherwise`, elementwise.
static Value selectWhere(OpBuilder &b, Location loc, Value number,
                         double constant, Value then, Value otherwise) {
  auto type = cast<RankedTensorType>(number.getType());
  Value wanted = b.create<onnx::ConstantOp>(
      loc, type,
      DenseElementsAttr::get(type,
                             b.getFloatAttr(type.getElementType(), constant)),
      "");
  Value isEqual = b.create<onnx::EqualOp>(
      loc, RankedTensorType::get({}, b.getI1Type()), number, wanted, "");
  return b.create<onnx::WhereOp>(loc, then.getType(), isEqual, then, otherwise,
                                 "");
}

/// Adds `x`, of `type`, to `state`, which it replaces in the first microbatch;
/// `result`, if there is any, becomes the sum too.
LogicalResult PhaseConverter::addMicrobatch(Operation *at, StringRef unit,
                                            Type type, Slice x, Slice state,
                                            Slice microbatch,
                                            std::optional<Slice> result) {
  SmallVector<Slice> outs = {state};
  if (result)
    outs.insert(outs.begin(), *result);
  SmallVector<Value> results;
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    Value added = body->getArgument(0);
    Value sum = b.create<onnx::AddOp>(at->getLoc(), type, body->getArgument(1),
                                      added, "");
    results.assign(
        outs.size(),
        selectWhere(b, at->getLoc(), body->getArgument(2), 0, added, sum));
    return results;
  };
  return launchFlat(at, "accumulate", unit,
                    {type, type, scalarF32(at->getContext())}, build,
                    {x, state, microbatch}, outs);
}

LogicalResult PhaseConverter::convert(train::AccumulateOp op) {
  Slice result = resultSlice(op.getSum(), "accumulate", "");
  assign(op.getSum(), result);
  return addMicrobatch(op, "", op.getX().getType(), sliceOf(op.getX()),
                       program.states.lookup(op.getState()),
                       sliceOf(op.getMicrobatch()), result);
}

LogicalResult PhaseConverter::convert(train::TotalOp op) {
  Slice result = resultSlice(op.getTotal(), "total", "");
  assign(op.getTotal(), result);
  Type type = op.getOwn().getType();
  Value total;
  return launchFlat(op, "total", "", {type, type, scalarF32(op.getContext())},
                    [&](OpBuilder &b, Block *body) -> ValueRange {
                      return total = selectWhere(
                                 b, op.getLoc(), body->getArgument(2), 1,
                                 body->getArgument(0), body->getArgument(1));
                    },
                    {sliceOf(op.getOwn()), program.states.lookup(op.getState()),
                     sliceOf(op.getMicrobatches())},
                    {result});
}

/// The line's reduced gradients become the sums, where they are.
LogicalResult PhaseConverter::convert(AccumulateOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  Slice grads = sliceOf(op.getGrads().front());
  for (Value sum : op.getSums())
    slices[sum] = grads;
  return addMicrobatch(
      op, op.getUnit(),
      LineBuffers::shardTypeOf(line.line.get().getReduceLayout()), grads,
      line.accumulator, sliceOf(op.getMicrobatch()), grads);
}

/// The line of gradients is added to the one that stays.
LogicalResult PhaseConverter::convert(AccumulateGradientsOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  LayoutAttr layout = line.line.get().getReduceLayout();
  Slice grads = completeLine(line, op, op.getGrads());
  for (auto [i, sum] : llvm::enumerate(op.getSums()))
    slices[sum] = parameterSlice(layout, i, line.accumulator);
  return addMicrobatch(op, op.getUnit(), LineBuffers::lineTypeOf(layout), grads,
                       line.accumulator, sliceOf(op.getMicrobatch()),
                       std::nullopt);
}
