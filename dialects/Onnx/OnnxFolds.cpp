//===- OnnxFolds.cpp - Constant folding of onnx ops -----------------------===//
//
// Operands that are constants are evaluated; a result above maxFoldedBytes is
// left alone unless it is a splat. Reads of parameters never fold.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Evaluate.h"
#include "dialects/Onnx/Onnx.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

/// Whether a result of `type` may be folded from `operands`.
bool mayFold(Type type, ArrayRef<Attribute> operands) {
  bool splats = true;
  for (Attribute operand : operands) {
    auto dense = dyn_cast_or_null<DenseElementsAttr>(operand);
    if (!dense)
      return false;
    splats &= dense.isSplat();
  }
  auto tensor = cast<RankedTensorType>(type);
  int64_t bits = tensor.getElementTypeBitWidth();
  return splats || tensor.getNumElements() * bits / 8 <= maxFoldedBytes;
}

OpFoldResult toFold(const MaybeTensor &tensor, Type type) {
  if (!tensor || tensor->type() != type)
    return {};
  return toAttribute(*tensor);
}

OpFoldResult foldUnary(Unary kind, Operation *op, Attribute x) {
  Type type = op->getResult(0).getType();
  if (!mayFold(type, x))
    return {};
  return toFold(evaluate(kind, *toTensor(x)), type);
}

OpFoldResult foldBinary(Binary kind, Operation *op,
                        ArrayRef<Attribute> operands) {
  Type type = op->getResult(0).getType();
  if (!mayFold(type, operands))
    return {};
  return toFold(evaluate(kind, *toTensor(operands[0]), *toTensor(operands[1])),
                type);
}

/// Whether `value` is a splat of `expected`.
bool isSplatOf(Attribute value, double expected) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(value);
  return dense && dense.isSplat() && toTensor(dense)->asFloat(0) == expected;
}

/// `x`, if it has the type of `op`'s result and `neutral` leaves it as it is.
Value neutralOperand(Operation *op, Value x, Attribute neutral, double value) {
  bool same = x.getType() == op->getResult(0).getType();
  return same && isSplatOf(neutral, value) ? x : Value();
}

OpFoldResult foldReduction(Reduction kind, Operation *op, Attribute x,
                           ArrayRef<int64_t> axes, bool keepdims) {
  Type type = op->getResult(0).getType();
  if (axes.empty() && op->getOperand(0).getType() == type)
    return op->getOperand(0);
  // A reduction is paid in its operand's size.
  if (!x || !mayFold(op->getOperand(0).getType(), {x}))
    return {};
  return toFold(reduce(kind, *toTensor(x), axes, keepdims), type);
}
} // namespace

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

#define FOLD_UNARY(KIND)                                                       \
  OpFoldResult KIND##Op::fold(FoldAdaptor adaptor) {                           \
    return foldUnary(Unary::KIND, *this, adaptor.getX());                      \
  }
FSDP_ONNX_UNARY(FOLD_UNARY)

#define FOLD_BINARY(OP, KIND)                                                  \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                 \
    return foldBinary(Binary::KIND, *this, adaptor.getOperands());             \
  }
FOLD_BINARY(MaxOp, Max)
FOLD_BINARY(MinOp, Min)
FOLD_BINARY(ModOp, Mod)
FOLD_BINARY(FModOp, FMod)
FOLD_BINARY(AndOp, And)
FOLD_BINARY(OrOp, Or)
FOLD_BINARY(EqualOp, Equal)
FOLD_BINARY(LessOp, Less)
FOLD_BINARY(LessOrEqualOp, LessOrEqual)
FOLD_BINARY(GreaterOp, Greater)
FOLD_BINARY(GreaterOrEqualOp, GreaterOrEqual)

/// Folds of ops with a neutral operand: on the right alone, or on either side.
#define FOLD_NEUTRAL(OP, KIND, NEUTRAL, COMMUTES)                              \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                 \
    if (Value x = neutralOperand(*this, getLhs(), adaptor.getRhs(), NEUTRAL))  \
      return x;                                                                \
    if (Value x = COMMUTES ? neutralOperand(*this, getRhs(), adaptor.getLhs(), \
                                            NEUTRAL)                           \
                           : Value())                                          \
      return x;                                                                \
    return foldBinary(Binary::KIND, *this, adaptor.getOperands());             \
  }
FOLD_NEUTRAL(AddOp, Add, 0.0, true)
FOLD_NEUTRAL(SubOp, Sub, 0.0, false)
FOLD_NEUTRAL(MulOp, Mul, 1.0, true)
FOLD_NEUTRAL(DivOp, Div, 1.0, false)
FOLD_NEUTRAL(PowOp, Pow, 1.0, false)

OpFoldResult WhereOp::fold(FoldAdaptor adaptor) {
  if (auto condition =
          dyn_cast_or_null<DenseElementsAttr>(adaptor.getCondition()))
    if (condition.isSplat()) {
      Value taken = condition.getSplatValue<bool>() ? getLhs() : getRhs();
      if (taken.getType() == getType())
        return taken;
    }
  if (!mayFold(getType(), adaptor.getOperands()))
    return {};
  return toFold(where(*toTensor(adaptor.getCondition()),
                      *toTensor(adaptor.getLhs()), *toTensor(adaptor.getRhs())),
                getType());
}

/// Whether every float of type `from` is one of type `to`.
static bool isWidening(Type from, Type to) {
  auto narrow = dyn_cast<FloatType>(from), wide = dyn_cast<FloatType>(to);
  return narrow && wide && narrow.getWidth() < wide.getWidth();
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  // What was widened from this type before is exactly that.
  auto before = getX().getDefiningOp<CastOp>();
  if (before && before.getX().getType() == getType() &&
      isWidening(typeOf(before.getX()).getElementType(),
                 typeOf(before.getY()).getElementType()))
    return before.getX();
  if (!mayFold(getType(), adaptor.getX()))
    return {};
  return toFold(
      convert(*toTensor(adaptor.getX()), typeOf(getY()).getElementType()),
      getType());
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  if (llvm::is_sorted(getPerm()))
    return getX();
  if (!mayFold(getType(), adaptor.getX()))
    return {};
  return toFold(transpose(*toTensor(adaptor.getX()), getPerm()), getType());
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  if (auto before = getX().getDefiningOp<ReshapeOp>()) {
    if (before.getX().getType() == getType())
      return before.getX();
    getXMutable().assign(before.getX());
    return getResult();
  }
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(adaptor.getX()))
    return dense.reshape(typeOf(getY()));
  return {};
}

/// Only where nothing could flow anyway: through a constant, or a value that is
/// stopped before.
OpFoldResult StopGradientOp::fold(FoldAdaptor adaptor) {
  if (adaptor.getX())
    return adaptor.getX();
  if (getX().getDefiningOp<StopGradientOp>())
    return getX();
  return {};
}

OpFoldResult ExpandOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  if (!mayFold(getType(), adaptor.getX()))
    return {};
  return toFold(expand(*toTensor(adaptor.getX()), typeOf(getY()).getShape()),
                getType());
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  bool whole = llvm::all_of(getSteps(), [](int64_t step) { return step == 1; });
  if (whole && getX().getType() == getType())
    return getX();
  if (!mayFold(getType(), adaptor.getX()))
    return {};
  return toFold(slice(*toTensor(adaptor.getX()), getStarts(), getSteps(),
                      typeOf(getY()).getShape()),
                getType());
}

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getInputs().size() == 1)
    return getInputs()[0];
  // Equal splats or not, the result is written out: no splat shortcut here.
  if (!mayFold(getType(), adaptor.getInputs()) ||
      typeOf(getY()).getNumElements() > maxFoldedBytes / 8)
    return {};
  SmallVector<Tensor> tensors;
  for (Attribute input : adaptor.getInputs())
    tensors.push_back(*toTensor(input));
  SmallVector<const Tensor *> pointers;
  for (Tensor &tensor : tensors)
    pointers.push_back(&tensor);
  return toFold(concat(pointers, getAxis()), getType());
}

OpFoldResult GatherOp::fold(FoldAdaptor adaptor) {
  if (getBatchDims() ||
      !mayFold(getType(), {adaptor.getTable(), adaptor.getIndices()}) ||
      typeOf(getY()).getNumElements() > maxFoldedBytes / 8)
    return {};
  return toFold(
      gather(*toTensor(adaptor.getTable()), *toTensor(adaptor.getIndices())),
      getType());
}

#define FOLD_REDUCTION(OP, KIND)                                               \
  OpFoldResult OP::fold(FoldAdaptor adaptor) {                                 \
    return foldReduction(Reduction::KIND, *this, adaptor.getX(), getAxes(),    \
                         getKeepdims());                                       \
  }
FOLD_REDUCTION(ReduceSumOp, Sum)
FOLD_REDUCTION(ReduceMeanOp, Mean)
FOLD_REDUCTION(ReduceMaxOp, Max)
