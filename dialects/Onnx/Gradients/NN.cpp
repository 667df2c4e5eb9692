//===- NN.cpp - Gradients of products, softmax, normalisation -------------===//
#include "dialects/Onnx/Gradients/Gradients.h"
#include "dialects/Train/Train.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::onnx;

namespace {
/// `value` as [rows, columns], its leading dimensions together.
Value flatten(GradientBuilder &b, Value value) {
  RankedTensorType type = typeOf(value);
  int64_t columns = type.getShape().back();
  return b.reshape(value, {type.getNumElements() / columns, columns});
}

Value matmul(GradientBuilder &b, Value lhs, Value rhs, bool transA,
             bool transB) {
  return b.make<MatMulOp>(lhs, rhs, transA, transB);
}
} // namespace

// With Y = op(A) op(B): dop(A) = G op(B)^T, dop(B) = op(A)^T G; for a
// transposed operand the product is transposed, which exchanges the factors.
FSDP_GRADIENT(MatMulOp) {
  GradientBuilder b(builder, *this);
  Value a = getLhs(), w = getRhs(), g = grads[0];
  bool ta = getTransA(), tb = getTransB();
  // A weight shared by the batch: its gradient is one product over all rows.
  bool sharedWeight = typeOf(w).getRank() == 2 && !ta;
  Value da, dw;
  if (wanted[0])
    da = b.unbroadcast(
        ta ? matmul(b, w, g, tb, true) : matmul(b, g, w, false, !tb), a);
  if (wanted[1] && sharedWeight) {
    Value rows = flatten(b, a), grad = flatten(b, g);
    dw = tb ? matmul(b, grad, rows, true, false)
            : matmul(b, rows, grad, true, false);
  } else if (wanted[1]) {
    dw = b.unbroadcast(
        tb ? matmul(b, g, a, true, ta) : matmul(b, a, g, !ta, false), w);
  }
  inputGrads.append({da, dw});
  return success();
}

FSDP_GRADIENT(SoftmaxOp) {
  GradientBuilder b(builder, *this);
  inputGrads.push_back(
      b.make<train::SoftmaxGradOp>(getY().getType(), getY(), grads[0]));
  return success();
}

FSDP_GRADIENT(AttentionOp) {
  if (!grads[0] || grads[1] || grads[2])
    return emitOpError("is differentiated through its saved maximum or sum, "
                       "which has no gradient here");
  if (getMask() && wanted[3])
    return emitOpError("has a mask that depends on a trainable parameter, "
                       "which has no gradient here");
  auto grad = builder.create<train::AttentionGradOp>(
      getLoc(), getQ().getType(), getK().getType(), getV().getType(), getQ(),
      getK(), getV(), getMax(), getSum(), grads[0], getMask(), getScaleAttr(),
      getCausalAttr(), getScopeAttr());
  for (auto [i, value] : llvm::enumerate(grad.getResults()))
    inputGrads.push_back(wanted[i] ? value : Value());
  if (getMask())
    inputGrads.push_back(Value());
  return success();
}

FSDP_GRADIENT(LayerNormalizationOp) {
  if (!grads[0] || grads[1] || grads[2])
    return emitOpError("is differentiated through its saved mean or deviation, "
                       "which has no gradient here");
  GradientBuilder b(builder, *this);
  Value x = getX(), g = grads[0];
  inputGrads.push_back(
      wanted[0] ? b.make<train::LayerNormGradOp>(x.getType(), x, g, getScale(),
                                                 getMean(), getRstd())
                : Value());
  bool wantsScale = wanted[1], wantsBias = getBias() && wanted[2];
  Value dscale, dbias;
  if (wantsScale || wantsBias) {
    Type row = getScale().getType();
    auto both = builder.create<train::LayerNormParamGradOp>(
        getLoc(), row, row, x, g, getMean(), getRstd(), getScope());
    dscale = both.getDscale();
    dbias = both.getDbias();
  }
  inputGrads.push_back(wantsScale ? dscale : Value());
  if (getBias())
    inputGrads.push_back(wantsBias ? dbias : Value());
  return success();
}
