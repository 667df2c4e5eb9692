//===- NN.cpp - Gradients of products, softmax, normalisation -------------===//
#include "dialects/Onnx/Gradients/Gradients.h"
#include "dialects/Train/Train.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

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

namespace {
/// Blocks of rows over which the gradient of a norm with `rows` rows sums those
/// of its scale and bias: enough for all threads, few enough that the sums are
/// small beside x, and of at most 64 rows, as f32 allows.
int64_t numParts(int64_t rows) {
  int64_t size = std::clamp<int64_t>(llvm::divideCeil(rows, 32), 8, 64);
  return llvm::divideCeil(rows, size);
}

/// Gradients of a norm in one pass: dx, then those of `params`, which are of
/// scale's type.
template <typename GradOp>
SmallVector<Value> buildNormGradient(GradientBuilder &b, size_t params,
                                     ValueRange operands) {
  RankedTensorType x = typeOf(operands[0]), scale = typeOf(operands[2]);
  int64_t width = x.getShape().back();
  Type part =
      RankedTensorType::get({numParts(x.getNumElements() / width), width},
                            typeOf(operands.back()).getElementType());
  SmallVector<Type> types(1 + params, part);
  types[0] = x;
  auto op = b.builder.create<GradOp>(
      b.loc, types, operands,
      NamedAttribute(b.builder.getStringAttr("scope"),
                     b.builder.getStringAttr(b.scope)));
  SmallVector<Value> results = {op.getDx()};
  for (Value value : op.getParts()) {
    Value sum = b.reduceSum(value, {0}, /*keepdims=*/false);
    results.push_back(sum.getType() == scale ? sum
                                             : b.make<CastOp>(scale, sum));
  }
  return results;
}
} // namespace

FSDP_GRADIENT(LayerNormalizationOp) {
  if (!grads[0] || grads[1] || grads[2])
    return emitOpError("is differentiated through its saved mean or deviation, "
                       "which has no gradient here");
  GradientBuilder b(builder, *this);
  Value x = getX(), g = grads[0];
  bool wantsScale = wanted[1], wantsBias = getBias() && wanted[2];
  Value dx, dscale, dbias;
  if (wanted[0] && (wantsScale || wantsBias)) {
    SmallVector<Value> all = buildNormGradient<train::LayerNormGradOp>(
        b, 2, {x, g, getScale(), getMean(), getRstd()});
    dx = all[0], dscale = all[1], dbias = all[2];
  } else if (wanted[0]) {
    dx = buildNormGradient<train::LayerNormGradOp>(
        b, 0, {x, g, getScale(), getMean(), getRstd()})[0];
  } else if (wantsScale || wantsBias) {
    Type row = getScale().getType();
    auto both = builder.create<train::LayerNormParamGradOp>(
        getLoc(), row, row, x, g, getMean(), getRstd(), getScope());
    dscale = both.getDscale();
    dbias = both.getDbias();
  }
  inputGrads.push_back(dx);
  inputGrads.push_back(wantsScale ? dscale : Value());
  if (getBias())
    inputGrads.push_back(wantsBias ? dbias : Value());
  return success();
}

FSDP_GRADIENT(RmsNormalizationOp) {
  if (!grads[0] || grads[1])
    return emitOpError("is differentiated through its saved deviation, which "
                       "has no gradient here");
  GradientBuilder b(builder, *this);
  Value x = getX(), g = grads[0];
  Value dx, dscale;
  if (wanted[0]) {
    SmallVector<Value> all = buildNormGradient<train::RmsNormGradOp>(
        b, wanted[1] ? 1 : 0, {x, g, getScale(), getRstd()});
    dx = all[0];
    dscale = wanted[1] ? all[1] : Value();
  } else if (wanted[1]) {
    dscale = b.make<train::RmsNormParamGradOp>(getScale().getType(), x, g,
                                               getRstd());
  }
  inputGrads.append({dx, dscale});
  return success();
}
