//===- EmitElementwise.cpp - Chains of elementwise ops --------------------===//
//
// One linalg.generic computes the whole chain. Dimensions over which every
// operand is either dense or broadcast are merged first, so that [B, S, D] with
// a bias [D] is a loop over B * S rows and without broadcasting one over all
// elements. Several results have one shape.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Passes.h"
#include "passes/Kernel/Space.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace fsdp;

namespace {
ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

/// A splat constant in the type that it is computed in.
Value emitConstant(Emitter &e, OpBuilder &b, Location loc,
                   onnx::ConstantOp constant) {
  auto attr = cast<TypedAttr>(
      cast<DenseElementsAttr>(constant.getValue()).getSplatValue<Attribute>());
  if (auto number = dyn_cast<FloatAttr>(attr))
    attr = b.getFloatAttr(e.computeType(number.getType()),
                          number.getValueAsDouble());
  return b.create<arith::ConstantOp>(loc, attr);
}

/// The chain's results on scalars; `scalars` are those of the kernel's
/// arguments.
SmallVector<Value> emitChain(Emitter &e, OpBuilder &b, Location loc,
                             train::KernelOp kernel, ValueRange scalars) {
  IRMapping values;
  Block &body = kernel.getBody().front();
  for (auto [arg, scalar] : llvm::zip(body.getArguments(), scalars))
    values.map(arg, Emitter::widen(b, loc, scalar));
  for (Operation &op : body.without_terminator()) {
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(values.lookup(operand));
    values.map(op.getResult(0), emitElementwiseOp(e, b, loc, &op, operands));
  }
  SmallVector<Value> results;
  for (Value yielded : body.getTerminator()->getOperands()) {
    Type element = cast<ShapedType>(yielded.getType()).getElementType();
    Value result = values.lookup(yielded);
    results.push_back(isa<FloatType>(element)
                          ? Emitter::convert(b, loc, result, element)
                          : result);
  }
  return results;
}
} // namespace

/// A result in half precision is rounded in the middle of a chain too: so no
/// bit depends on where chains end.
Value fsdp::emitElementwiseOp(Emitter &e, OpBuilder &b, Location loc,
                              Operation *op, ValueRange operands) {
  if (auto constant = dyn_cast<onnx::ConstantOp>(op))
    return emitConstant(e, b, loc, constant);
  if (isa<onnx::ExpandOp>(op))
    return operands.front();
  Type element = cast<ShapedType>(op->getResult(0).getType()).getElementType();
  Value result = cast<onnx::ElementwiseOpInterface>(op).emitScalar(
      b, loc, operands, e.computeType(element));
  if (isa<FloatType>(element))
    result = Emitter::widen(b, loc, Emitter::convert(b, loc, result, element));
  return result;
}

LogicalResult fsdp::emitElementwise(Emitter &e, train::KernelOp kernel) {
  SmallVector<Value> operands(e.ins);
  llvm::append_range(operands, e.outs);
  Space space(shapeOf(e.outs.front()), operands);
  SmallVector<AffineMap> maps;
  for (auto [i, operand] : llvm::enumerate(operands)) {
    operand = e.view(operand, space.shapeOfOperand(i));
    if (!space.extents.empty() && space.has[i].front())
      operand = e.rows(operand, e.begin, e.end);
    maps.push_back(space.mapOfOperand(i, e.b.getContext()));
  }
  e.extent = space.extents.empty() ? 1 : space.extents.front();
  SmallVector<utils::IteratorType> iterators(space.extents.size(),
                                             utils::IteratorType::parallel);
  size_t numOuts = e.outs.size();
  e.b.create<linalg::GenericOp>(
      e.loc, ArrayRef(operands).drop_back(numOuts),
      ArrayRef(operands).take_back(numOuts), maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        b.create<linalg::YieldOp>(
            loc, emitChain(e, b, loc, kernel, args.drop_back(numOuts)));
      });
  return success();
}
