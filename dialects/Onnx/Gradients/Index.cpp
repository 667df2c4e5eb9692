//===- Index.cpp - Gradients of what reads or writes by places ------------===//
#include "dialects/Onnx/Gradients/Gradients.h"
#include "dialects/Train/Train.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::onnx;

FSDP_GRADIENT(GatherOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(
      b.make<train::GatherGradOp>(getTable().getType(), getIndices(), grads[0],
                                  getPaddingIdxAttr(), getBatchDims()));
  inputGrads.push_back(Value());
  return success();
}

FSDP_GRADIENT(ScatterOp) {
  GradientBuilder b(builder, *this);
  Value dx, dupdates, none;
  if (wanted[0] && getAdd())
    dx = grads[0];
  else if (wanted[0])
    dx = b.make<ScatterOp>(grads[0], getIndices(),
                           b.splat(getUpdates().getType(), 0), getBatchDims(),
                           /*add=*/false);
  if (wanted[2])
    dupdates =
        b.make<GatherOp>(grads[0], getIndices(), IntegerAttr(), getBatchDims());
  inputGrads.append({dx, none, dupdates});
  return success();
}

FSDP_GRADIENT(TopKOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(
      b.make<train::GatherGradOp>(getX().getType(), getIndices(), grads[0],
                                  IntegerAttr(), typeOf(getX()).getRank() - 1));
  return success();
}

/// x[i] is in the sums from y[i] on, seen from the other end.
FSDP_GRADIENT(CumSumOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(b.make<CumSumOp>(grads[0], getAxis(), getExclusive(),
                                        /*reverse=*/!getReverse()));
  return success();
}
