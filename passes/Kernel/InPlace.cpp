//===- InPlace.cpp - Results in the buffers of operands -------------------===//
#include "passes/Kernel/InPlace.h"
#include "passes/Kernel/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Operands of an op, by number, that one of its results may overwrite.
struct Overwritable {
  unsigned result;
  SmallVector<unsigned> operands;
};
using Overwritables = SmallVector<Overwritable>;

/// What the results of `op` may overwrite. It says nothing of the other
/// operands, which may be the same value.
Overwritables overwritable(Operation *op) {
  auto number = [](OpOperand &operand) { return operand.getOperandNumber(); };
  return llvm::TypeSwitch<Operation *, Overwritables>(op)
      .Case<onnx::SoftmaxOp, onnx::LayerNormalizationOp,
            onnx::RmsNormalizationOp>(
          [&](auto o) { return Overwritables{{0, {number(o.getXMutable())}}}; })
      .Case([&](onnx::AttentionOp o) {
        return Overwritables{{0, {number(o.getQMutable())}}};
      })
      .Case([&](train::AttentionGradOp o) {
        return Overwritables{
            {0, {number(o.getQMutable()), number(o.getDyMutable())}}};
      })
      .Case([&](train::AttentionRowsOp o) {
        return Overwritables{{0, {number(o.getScoresMutable())}}};
      })
      .Case([&](train::AttentionRowsGradOp o) {
        return Overwritables{{0, {number(o.getScoresMutable())}},
                             {1, {number(o.getDpMutable())}}};
      })
      .Case([&](train::SoftmaxGradOp o) {
        return Overwritables{
            {0, {number(o.getDyMutable()), number(o.getYMutable())}}};
      })
      .Case<train::LayerNormGradOp, train::RmsNormGradOp>([&](auto o) {
        return Overwritables{
            {0, {number(o.getDyMutable()), number(o.getXMutable())}}};
      })
      .Case([&](train::CrossEntropyGradOp o) {
        return Overwritables{{0, {number(o.getLogitsMutable())}}};
      })
      .Case([&](train::ClipCoefficientOp o) {
        return Overwritables{{0, {number(o.getNormMutable())}}};
      })
      .Case([&](train::FactorStatesOp o) {
        return Overwritables{{0, {number(o.getFactorsMutable())}}};
      })
      .Case<train::FlatUpdateOp, train::FactorUpdateOp>([&](auto o) {
        Overwritables table = {{0, {number(o.getPMutable())}}};
        for (OpOperand &state : o.getStatesMutable())
          table.push_back({unsigned(table.size()), {number(state)}});
        return table;
      })
      .Default([](Operation *) { return Overwritables(); });
}

/// Operands of a result of a kernel of elementwise ops: one of the result's
/// shape is read at the element that is written, however often, before any
/// result is.
SmallVector<unsigned> elementwiseOperands(train::KernelOp kernel,
                                          unsigned output) {
  auto result = cast<RankedTensorType>(kernel.getOutputs()[output].getType());
  SmallVector<unsigned> operands;
  for (auto [i, type] : llvm::enumerate(kernel.getInputs().getTypes())) {
    auto tensor = cast<RankedTensorType>(type);
    if (tensor.getShape() == result.getShape() &&
        tensor.getElementTypeBitWidth() == result.getElementTypeBitWidth())
      operands.push_back(i);
  }
  return operands;
}

/// Whether every element that `use` reads is read before the iteration that
/// writes it in result `output`. A chain around a row op reads an element, or a
/// row, before that of the first result is stored; one before the norm also
/// before that of the last result, which is what the norm reads.
bool isReadBeforeWrite(OpOperand &use, unsigned output, unsigned numOutputs) {
  Operation *op = use.getOwner();
  if (!isElementwise(op))
    return llvm::any_of(overwritable(op), [&](const Overwritable &entry) {
      return entry.result == output &&
             llvm::is_contained(entry.operands, use.getOperandNumber());
    });
  for (Operation &root : *op->getBlock())
    if (isFusibleRowOp(root))
      return output == 0 ||
             (output == numOutputs - 1 && isInPrologue(op, &root));
  return false;
}
} // namespace

SmallVector<SmallVector<unsigned>>
fsdp::inPlaceOperands(train::KernelOp kernel) {
  unsigned numOutputs = kernel.getOutputs().size();
  SmallVector<SmallVector<unsigned>> table(numOutputs);
  Block &body = kernel.getBody().front();
  if (isElementwiseGroup(kernel)) {
    for (unsigned output = 0; output < numOutputs; ++output)
      table[output] = elementwiseOperands(kernel, output);
    return table;
  }
  for (unsigned output = 0; output < numOutputs; ++output)
    for (BlockArgument argument : body.getArguments())
      if (argument.getType() == kernel.getOutputs()[output].getType() &&
          llvm::all_of(argument.getUses(), [&](OpOperand &use) {
            return isReadBeforeWrite(use, output, numOutputs);
          }))
        table[output].push_back(argument.getArgNumber());
  return table;
}

std::optional<unsigned>
fsdp::chooseInPlace(ArrayRef<unsigned> allowed, ArrayRef<int64_t> buffers,
                    ArrayRef<int64_t> taken,
                    llvm::function_ref<bool(unsigned)> dies) {
  for (unsigned operand : allowed) {
    bool isShared = llvm::is_contained(taken, buffers[operand]);
    for (auto [i, buffer] : llvm::enumerate(buffers))
      isShared |= buffer == buffers[operand] && !llvm::is_contained(allowed, i);
    if (!isShared && dies(operand))
      return operand;
  }
  return std::nullopt;
}
