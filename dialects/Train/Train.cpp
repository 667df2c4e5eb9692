//===- Train.cpp - The train dialect --------------------------------------===//
#include "dialects/Train/Train.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp::train;

#include "dialects/Train/TrainDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Train/TrainAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Train/TrainOps.cpp.inc"

void TrainDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Train/TrainAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Train/TrainOps.cpp.inc"
      >();
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("region arguments do not match the operands");
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getValues().getTypes() != getOutputs().getTypes())
    return emitOpError("yielded values do not match the results");
  for (Operation &op : block.without_terminator())
    if (!isMemoryEffectFree(&op))
      return emitOpError("holds '")
             << op.getName() << "', which has side effects";
  return success();
}

LogicalResult BarrierOp::verify() {
  if (getXs().empty())
    return emitOpError("has no operand, expected at least one (barrier_c1)");
  if (getXs().getTypes() != getYs().getTypes())
    return emitOpError("results do not have the operands' types (barrier_c2)");
  return success();
}

LogicalResult AttentionGradOp::verify() {
  auto types = fsdp::onnx::inferAttention(getLoc(), getQ(), getK(), getV(),
                                          getMask(), getCausal());
  if (failed(types))
    return failure();
  Value saved[] = {getDy(), getMax(), getSum()};
  for (auto [value, type] : llvm::zip_equal(saved, *types))
    if (value.getType() != type)
      return emitOpError("operand type ")
             << value.getType() << " does not match the attention's result "
             << type << " (attention_grad_c1)";
  return success();
}
