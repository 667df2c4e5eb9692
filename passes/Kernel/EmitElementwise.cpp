//===- EmitElementwise.cpp - Chains of elementwise ops --------------------===//
//
// One linalg.generic computes the whole chain. Dimensions over which every
// operand is either dense or broadcast are merged first, so that [B, S, D] with
// a bias [D] is a loop over B * S rows and without broadcasting one over all
// elements.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace fsdp;

namespace {
ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

/// The merged iteration space, and for each operand which of its dimensions it
/// has (the others are broadcast).
struct Space {
  SmallVector<int64_t> extents;
  SmallVector<SmallVector<bool>> has;

  Space(ArrayRef<int64_t> shape, ArrayRef<Value> operands) {
    has.resize(operands.size());
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 1)
        continue;
      SmallVector<bool> present;
      for (Value operand : operands)
        present.push_back(hasDimension(shapeOf(operand), i, shape.size()));
      if (!extents.empty() && sameAsLast(present)) {
        extents.back() *= shape[i];
        continue;
      }
      extents.push_back(shape[i]);
      for (auto [h, p] : llvm::zip(has, present))
        h.push_back(p);
    }
  }

  SmallVector<int64_t> shapeOfOperand(size_t operand) const {
    SmallVector<int64_t> shape;
    for (auto [extent, present] : llvm::zip(extents, has[operand]))
      if (present)
        shape.push_back(extent);
    return shape;
  }

  AffineMap mapOfOperand(size_t operand, MLIRContext *context) const {
    SmallVector<AffineExpr> dims;
    for (auto [i, present] : llvm::enumerate(has[operand]))
      if (present)
        dims.push_back(getAffineDimExpr(i, context));
    return AffineMap::get(extents.size(), 0, dims, context);
  }

private:
  static bool hasDimension(ArrayRef<int64_t> shape, size_t i, size_t rank) {
    size_t missing = rank - shape.size();
    return i >= missing && shape[i - missing] != 1;
  }
  bool sameAsLast(ArrayRef<bool> present) const {
    for (auto [h, p] : llvm::zip(has, present))
      if (h.back() != p)
        return false;
    return true;
  }
};

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

/// The chain on scalars; `scalars` are those of the kernel's arguments.
Value emitChain(Emitter &e, OpBuilder &b, Location loc, train::KernelOp kernel,
                ValueRange scalars) {
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
  Value result = values.lookup(body.getTerminator()->getOperand(0));
  Type element =
      cast<ShapedType>(kernel.getOutputs()[0].getType()).getElementType();
  return isa<FloatType>(element) ? Emitter::convert(b, loc, result, element)
                                 : result;
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
  operands.push_back(e.outs.front());
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
  e.b.create<linalg::GenericOp>(
      e.loc, ArrayRef(operands).drop_back(), operands.back(), maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) {
        b.create<linalg::YieldOp>(
            loc, emitChain(e, b, loc, kernel, args.drop_back()));
      });
  return success();
}
