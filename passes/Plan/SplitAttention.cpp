//===- SplitAttention.cpp - Which attention is products -------------------===//
#include "passes/Plan/ConvertAttention.h"

using namespace mlir;
using namespace fsdp;

Operation *fsdp::opOf(train::KernelOp kernel) {
  Block &body = kernel.getBody().front();
  return llvm::hasSingleElement(body.without_terminator()) ? &body.front()
                                                           : nullptr;
}

Value fsdp::inputOf(train::KernelOp kernel, Value operand) {
  auto argument = dyn_cast<BlockArgument>(operand);
  return argument ? kernel.getInputs()[argument.getArgNumber()] : Value();
}

Value fsdp::outputOf(train::KernelOp kernel, Value value) {
  OperandRange yielded =
      kernel.getBody().front().getTerminator()->getOperands();
  auto it = llvm::find(yielded, value);
  return it == yielded.end() ? Value()
                             : Value(kernel.getOutputs()[it - yielded.begin()]);
}

/// Whether the target has products for these operands, and there is anything.
static bool isSplittable(Operation *op, const Target &target) {
  Type type = getElementTypeOrSelf(op->getOperand(0).getType());
  auto isEmpty = [](Type type) {
    return cast<RankedTensorType>(type).getNumElements() == 0;
  };
  return target.getAttentionBytes() > 0 && !type.isF64() &&
         target.hasProductsOf(type, "") &&
         llvm::none_of(op->getOperandTypes(), isEmpty) &&
         llvm::none_of(op->getResultTypes(), isEmpty);
}

/// Whether `gradient` reads maxima and sums of `forward`, and has its blocks.
static bool belongsTo(train::KernelOp gradient, train::KernelOp forward) {
  auto grad = dyn_cast_or_null<train::AttentionGradOp>(opOf(gradient));
  auto op = cast<onnx::AttentionOp>(opOf(forward));
  auto reads = [&](Value operand, Value result) {
    Value input = inputOf(gradient, operand),
          output = outputOf(forward, result);
    return input && output && viewSource(input) == output;
  };
  return grad && grad.getQ().getType() == op.getQ().getType() &&
         grad.getK().getType() == op.getK().getType() &&
         grad.getV().getType() == op.getV().getType() &&
         grad.getCausal() == op.getCausal() &&
         reads(grad.getMax(), op.getMax()) && reads(grad.getSum(), op.getSum());
}

/// Whether all that reads `value` or a view of it are gradients of `forward`.
static bool isReadByGradients(Value value, train::KernelOp forward) {
  return llvm::all_of(value.getUses(), [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isa<onnx::ReshapeOp>(user))
      return isReadByGradients(user->getResult(0), forward);
    if (isa<train::BarrierOp>(user))
      return isReadByGradients(user->getResult(use.getOperandNumber()),
                               forward);
    auto kernel = dyn_cast<train::KernelOp>(user);
    return kernel && belongsTo(kernel, forward);
  });
}

static bool isSplitForward(train::KernelOp kernel, const Target &target) {
  auto op = dyn_cast_or_null<onnx::AttentionOp>(opOf(kernel));
  if (!op || !isSplittable(op, target))
    return false;
  return llvm::all_of(ArrayRef<Value>{op.getMax(), op.getSum()},
                      [&](Value value) {
                        Value output = outputOf(kernel, value);
                        return !output || isReadByGradients(output, kernel);
                      });
}

bool fsdp::isSplitAttention(train::KernelOp kernel, const Target &target) {
  auto grad = dyn_cast_or_null<train::AttentionGradOp>(opOf(kernel));
  if (!grad)
    return isSplitForward(kernel, target);
  Value saved = inputOf(kernel, grad.getMax());
  auto forward =
      saved ? viewSource(saved).getDefiningOp<train::KernelOp>() : nullptr;
  return forward && isSplitForward(forward, target) &&
         belongsTo(kernel, forward);
}
