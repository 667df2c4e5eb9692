//===- Tensor.cpp - Gradients of data movement and reductions -------------===//
#include "dialects/Onnx/Gradients/Gradients.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::onnx;

FSDP_GRADIENT(TransposeOp) {
  GradientBuilder b(builder, *this);
  SmallVector<int64_t> inverse(getPerm().size());
  for (auto [i, p] : llvm::enumerate(getPerm()))
    inverse[p] = i;
  inputGrads.push_back(b.make<TransposeOp>(grads[0], inverse));
  return success();
}

FSDP_GRADIENT(ReshapeOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(b.reshape(grads[0], typeOf(getX()).getShape()));
  return success();
}

FSDP_GRADIENT(ExpandOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(b.unbroadcast(grads[0], getX()));
  return success();
}

FSDP_GRADIENT(SliceOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(b.make<PadOp>(getX().getType(), grads[0], getStarts(),
                                     getSteps(), APFloat(0.0)));
  return success();
}

/// The first i in [0, extent), and one past the last, that `low` + i `step`
/// puts inside [0, bound).
static std::pair<int64_t, int64_t> keptRange(int64_t low, int64_t step,
                                             int64_t extent, int64_t bound) {
  auto isInside = [&](int64_t i) {
    return low + i * step >= 0 && low + i * step < bound;
  };
  int64_t first = 0, end = extent;
  while (first < end && !isInside(first))
    ++first;
  while (end > first && !isInside(end - 1))
    --end;
  return {first, end};
}

/// A slice of the gradient at the places where x went; what fell outside of the
/// result gets 0.
FSDP_GRADIENT(PadOp) {
  GradientBuilder b(builder, *this);
  RankedTensorType x = typeOf(getX()), y = typeOf(getY());
  SmallVector<int64_t> kept, places, starts, ones(x.getRank(), 1);
  for (int64_t i = 0; i < x.getRank(); ++i) {
    auto [first, end] =
        keptRange(getLow()[i], getSteps()[i], x.getDimSize(i), y.getDimSize(i));
    kept.push_back(end - first);
    places.push_back(first);
    starts.push_back(getLow()[i] + first * getSteps()[i]);
  }
  auto part = RankedTensorType::get(kept, x.getElementType());
  if (part.getNumElements() == 0) {
    inputGrads.push_back(b.splat(x, 0));
    return success();
  }
  Value grad = b.make<SliceOp>(part, grads[0], starts, getSteps());
  if (part != x)
    grad = b.make<PadOp>(x, grad, places, ones, APFloat(0.0));
  inputGrads.push_back(grad);
  return success();
}

FSDP_GRADIENT(ConcatOp) {
  GradientBuilder b(builder, *this);
  SmallVector<int64_t> starts(typeOf(getY()).getRank(), 0);
  SmallVector<int64_t> steps(starts.size(), 1);
  for (auto [input, want] : llvm::zip(getInputs(), wanted)) {
    inputGrads.push_back(
        want ? b.make<SliceOp>(input.getType(), grads[0], starts, steps)
             : Value());
    starts[getAxis()] += typeOf(input).getDimSize(getAxis());
  }
  return success();
}

FSDP_GRADIENT(SplitOp) {
  GradientBuilder b(builder, *this);
  SmallVector<Value> parts;
  for (auto [y, grad] : llvm::zip(getYs(), grads))
    parts.push_back(grad ? grad : b.splat(y.getType(), 0));
  inputGrads.push_back(b.make<ConcatOp>(parts, getAxis()));
  return success();
}

namespace {
/// `value` (a reduction's result or its gradient) with the reduced dimensions
/// at extent 1, so that it broadcasts against x.
Value keepDims(GradientBuilder &b, Value value, Value x,
               ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape(typeOf(x).getShape());
  for (int64_t axis : axes)
    shape[axis] = 1;
  return b.reshape(value, shape);
}

/// `value` in x's shape and type: a sum may be in f32 where x is not.
Value expand(GradientBuilder &b, Value value, Value x) {
  auto shape = RankedTensorType::get(typeOf(x).getShape(),
                                     typeOf(value).getElementType());
  Value whole = b.make<ExpandOp>(shape, value);
  return shape == typeOf(x) ? whole : b.make<CastOp>(typeOf(x), whole);
}

int64_t reducedElements(Value x, ArrayRef<int64_t> axes) {
  int64_t elements = 1;
  for (int64_t axis : axes)
    elements *= typeOf(x).getDimSize(axis);
  return elements;
}
} // namespace

FSDP_GRADIENT(ReduceSumOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(
      expand(b, keepDims(b, grads[0], getX(), getAxes()), getX()));
  return success();
}

FSDP_GRADIENT(ReduceMeanOp) {
  GradientBuilder b(builder, *this);
  Value g = keepDims(b, grads[0], getX(), getAxes());
  Value scaled =
      b.mul(g, b.scalar(g, 1.0 / double(reducedElements(getX(), getAxes()))));
  inputGrads.push_back(expand(b, scaled, getX()));
  return success();
}

FSDP_GRADIENT(ReduceMaxOp) {
  GradientBuilder b(builder, *this);
  Value x = getX();
  Value most = keepDims(b, getY(), x, getAxes());
  Value isMost = b.make<CastOp>(x.getType(), b.make<EqualOp>(x, most));
  Value ties = keepDims(b, b.reduceSum(isMost, getAxes(), false), x, getAxes());
  Value g = keepDims(b, grads[0], x, getAxes());
  inputGrads.push_back(b.mul(isMost, b.div(g, ties)));
  return success();
}
