//===- Tensor.cpp - Gradients of data movement and reductions -------------===//
#include "dialects/Onnx/Gradients/Gradients.h"
#include "dialects/Train/Train.h"

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

/// Elements of x that the result holds, by the same starts and steps; those
/// that a negative `low` dropped get 0.
FSDP_GRADIENT(PadOp) {
  GradientBuilder b(builder, *this);
  RankedTensorType x = typeOf(getX()), y = typeOf(getY());
  bool inside = true;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    int64_t last = getLow()[i] + (x.getDimSize(i) - 1) * getSteps()[i];
    inside &= getLow()[i] >= 0 && getLow()[i] < y.getDimSize(i) && last >= 0 &&
              last < y.getDimSize(i);
  }
  if (inside) {
    inputGrads.push_back(b.make<SliceOp>(x, grads[0], getLow(), getSteps()));
    return success();
  }
  SmallVector<int64_t> low;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    if (getSteps()[i] != 1)
      return emitOpError("drops elements with a step other than 1: its "
                         "gradient is not defined here");
    low.push_back(-getLow()[i]);
  }
  inputGrads.push_back(
      b.make<PadOp>(x, grads[0], low, getSteps(), APFloat(0.0)));
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

FSDP_GRADIENT(GatherOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(b.make<train::GatherGradOp>(
      getTable().getType(), getIndices(), grads[0], getPaddingIdxAttr()));
  inputGrads.push_back(Value());
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

int64_t reducedElements(Value x, ArrayRef<int64_t> axes) {
  int64_t elements = 1;
  for (int64_t axis : axes)
    elements *= typeOf(x).getDimSize(axis);
  return elements;
}
} // namespace

FSDP_GRADIENT(ReduceSumOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(b.make<ExpandOp>(
      getX().getType(), keepDims(b, grads[0], getX(), getAxes())));
  return success();
}

FSDP_GRADIENT(ReduceMeanOp) {
  GradientBuilder b(builder, *this);
  Value g = keepDims(b, grads[0], getX(), getAxes());
  Value scaled =
      b.mul(g, b.scalar(g, 1.0 / double(reducedElements(getX(), getAxes()))));
  inputGrads.push_back(b.make<ExpandOp>(getX().getType(), scaled));
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
