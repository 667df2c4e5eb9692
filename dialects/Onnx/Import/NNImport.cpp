//===- NNImport.cpp - Products, norms, softmax, losses --------------------===//
#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/Import/MaskedRows.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// numpy's matmul: vectors are matrices of one row or column for a while.
LogicalResult matMul(NodeContext &c) {
  Operand a = c.in[0], b = c.in[1];
  bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  if (a.rank() == 0 || b.rank() == 0)
    return c.e.error() << "MatMul of a scalar";
  if (vectorA) {
    auto row = c.e.reshape(a, {1, a.shape()[0]});
    if (failed(row))
      return failure();
    a = *row;
  }
  if (vectorB) {
    auto column = c.e.reshape(b, {b.shape()[0], 1});
    if (failed(column))
      return failure();
    b = *column;
  }
  auto y = c.e.matmul(a, b);
  if (failed(y) || (!vectorA && !vectorB))
    return c.result(y);
  SmallVector<int64_t> shape(y->shape());
  if (vectorB)
    shape.pop_back();
  if (vectorA)
    shape.erase(shape.end() - (vectorB ? 1 : 2));
  return c.result(c.e.reshape(*y, shape));
}

/// alpha op(A) op(B) + beta C.
LogicalResult gemm(NodeContext &c) {
  if (c.in[0].rank() != 2 || c.in[1].rank() != 2)
    return c.e.error() << "Gemm of " << c.in[0].type() << " and "
                       << c.in[1].type() << ", expected matrices";
  MaybeOperand y = c.e.matmul(c.in[0], c.in[1], c.integer("transA", 0),
                              c.integer("transB", 0));
  auto scale = [&](MaybeOperand x, double factor) {
    return failed(x) || factor == 1.0
               ? x
               : c.e.binary(Binary::Mul, *x, c.e.scalarLike(*x, factor));
  };
  y = scale(y, c.real("alpha", 1.0));
  if (!c.has(2) || failed(y))
    return c.result(y);
  MaybeOperand bias = scale(c.in[2], c.real("beta", 1.0));
  return failed(bias) ? failure()
                      : c.result(c.e.binary(Binary::Add, *y, *bias));
}

/// The permutation that moves `axis` to the end (and its inverse).
SmallVector<int64_t> moveToEnd(int64_t rank, int64_t axis, bool inverse) {
  SmallVector<int64_t> perm;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      perm.push_back(i);
  perm.push_back(axis);
  if (!inverse)
    return perm;
  SmallVector<int64_t> back(rank);
  for (auto [i, p] : llvm::enumerate(perm))
    back[p] = i;
  return back;
}

/// log(softmax(x)) along the last dimension, without overflow.
MaybeOperand logSoftmaxOf(Emitter &e, const Operand &x) {
  int64_t last = x.rank() - 1;
  MaybeOperand most = e.reduce(Reduction::Max, x, {last}, true);
  if (failed(most))
    return failure();
  MaybeOperand shifted = e.binary(Binary::Sub, x, *most);
  if (failed(shifted))
    return failure();
  MaybeOperand sum = e.unary(Unary::Exp, *shifted);
  if (succeeded(sum))
    sum = e.reduce(Reduction::Sum, *sum, {last}, true);
  if (succeeded(sum))
    sum = e.unary(Unary::Log, *sum);
  return failed(sum) ? sum : e.binary(Binary::Sub, *shifted, *sum);
}

template <bool isLog> LogicalResult softmax(NodeContext &c) {
  Operand x = c.in[0];
  if (!isLog && isFromSdpa(c.node)) {
    auto masked = softmaxOfMasked(c.e, x.value, /*finite=*/false);
    if (failed(masked))
      return failure();
    if (*masked)
      return c.result(**masked);
  }
  bool old = c.node.version < 13;
  int64_t rank = x.rank();
  auto axis = c.axis(c.integer("axis", old ? 1 : -1), rank);
  if (failed(axis))
    return failure();
  SmallVector<int64_t> shape(x.shape());
  // Before opset 13 all dimensions from the axis on are one row.
  MaybeOperand rows = x;
  if (old && *axis != rank - 1) {
    SmallVector<int64_t> flat = {1, 1};
    for (auto [i, extent] : llvm::enumerate(shape))
      flat[int64_t(i) >= *axis] *= extent;
    rows = c.e.reshape(x, flat);
  } else {
    rows = c.e.transpose(x, moveToEnd(rank, *axis, false));
  }
  if (failed(rows))
    return failure();
  MaybeOperand y = isLog ? logSoftmaxOf(c.e, *rows) : c.e.softmax(*rows);
  if (failed(y))
    return failure();
  y = old && *axis != rank - 1
          ? c.e.reshape(*y, shape)
          : c.e.transpose(*y, moveToEnd(rank, *axis, true));
  if (isLog && succeeded(y) && y->value && x.value)
    c.logSoftmax[y->value] = {x.value, *axis};
  return c.result(y);
}

/// The statistics of a norm over the dimensions from `axis` on: x and scale
/// as rows.
LogicalResult layerNormalization(NodeContext &c) {
  auto axis = c.axis(c.integer("axis", -1), c.in[0].rank());
  if (failed(axis))
    return failure();
  SmallVector<int64_t> shape(c.in[0].shape()), rows, stats;
  int64_t width = 1;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (int64_t(i) >= *axis)
      width *= extent;
    else
      rows.push_back(extent);
    stats.push_back(int64_t(i) >= *axis ? 1 : extent);
  }
  rows.push_back(width);
  SmallVector<Value> operands;
  for (unsigned i = 0; i < 3; ++i) {
    if (!c.has(i))
      continue;
    Operand x = c.in[i];
    if (i > 0) {
      // One value for all features is allowed too.
      auto full = c.e.expand(x, ArrayRef(shape).drop_front(*axis));
      if (failed(full))
        return failure();
      x = *full;
    }
    auto flat = c.e.reshape(x, i == 0 ? ArrayRef<int64_t>(rows)
                                      : ArrayRef<int64_t>(width));
    if (failed(flat))
      return failure();
    operands.push_back(c.e.materialize(*flat));
  }
  auto values = c.e.build<LayerNormalizationOp>(
      operands, c.e.real("epsilon", c.real("epsilon", 1e-5)));
  if (failed(values) || failed(c.result(c.e.reshape((*values)[0], shape))))
    return failure();
  for (unsigned i = 1; i < c.node.outputs.size() && i < 3; ++i)
    if (failed(c.result(c.e.reshape((*values)[i], stats))))
      return failure();
  return success();
}

/// (x - mean) / sqrt(variance + epsilon) * scale + bias, by channel (dimension
/// 1), with statistics that stay as they are: PyTorch's eval() mode.
LogicalResult batchNormalization(NodeContext &c) {
  bool training = c.integer("training_mode", 0);
  if (training || c.integer("spatial", 1) != 1 || c.node.version < 7)
    return failure();
  const Operand &x = c.in[0];
  if (x.rank() < 2)
    return c.e.error() << "BatchNormalization of " << x.type();
  SmallVector<int64_t> shape(x.rank(), 1);
  shape[1] = x.shape()[1];
  Operand scale, bias, mean, variance;
  for (auto [i, operand] :
       llvm::enumerate(ArrayRef<Operand *>{&scale, &bias, &mean, &variance})) {
    MaybeOperand channels = c.e.reshape(c.in[i + 1], shape);
    if (failed(channels))
      return failure();
    *operand = *channels;
  }
  MaybeOperand deviation = c.e.binary(
      Binary::Add, variance, c.e.scalarLike(variance, c.real("epsilon", 1e-5)));
  for (Unary step : {Unary::Sqrt, Unary::Reciprocal})
    if (succeeded(deviation))
      deviation = c.e.unary(step, *deviation);
  MaybeOperand y = c.e.binary(Binary::Sub, x, mean);
  if (succeeded(y) && succeeded(deviation))
    y = c.e.binary(Binary::Mul, *y, *deviation);
  if (succeeded(y) && succeeded(deviation))
    y = c.e.binary(Binary::Mul, *y, scale);
  if (failed(y) || failed(deviation))
    return failure();
  return c.result(c.e.binary(Binary::Add, *y, bias));
}

/// x / sqrt(mean(x^2) + epsilon) * scale.
LogicalResult rmsNormalization(NodeContext &c) {
  const Operand &x = c.in[0];
  auto first = c.axis(c.integer("axis", -1), x.rank());
  if (failed(first))
    return failure();
  SmallVector<int64_t> axes;
  for (int64_t i = *first; i < x.rank(); ++i)
    axes.push_back(i);
  MaybeOperand y = c.e.binary(Binary::Pow, x, c.e.scalarLike(x, 2));
  if (succeeded(y))
    y = c.e.reduce(Reduction::Mean, *y, axes, true);
  if (succeeded(y))
    y = c.e.binary(Binary::Add, *y, c.e.scalarLike(x, c.real("epsilon", 1e-5)));
  if (succeeded(y))
    y = c.e.unary(Unary::Sqrt, *y);
  if (succeeded(y))
    y = c.e.unary(Unary::Reciprocal, *y);
  if (succeeded(y))
    y = c.e.binary(Binary::Mul, x, *y);
  return failed(y) ? failure() : c.result(c.e.binary(Binary::Mul, *y, c.in[1]));
}

/// The identity in inference; never dropped in silence in training.
LogicalResult dropout(NodeContext &c) {
  double ratio = c.real("ratio", 0.5);
  if (c.has(1) && c.in[1].constant && c.in[1].constant->stored() == 1)
    ratio = c.in[1].constant->asFloat(0);
  bool training = c.has(2);
  if (training && c.in[2].constant && c.in[2].constant->stored() == 1)
    training = c.in[2].constant->asInt(0);
  if (training && ratio != 0)
    return c.e.error() << "Dropout is in training mode (ratio "
                       << llvm::formatv("{0:f3}", ratio).str()
                       << "), which is not supported: export the model in "
                          "eval() mode or with dropout 0";
  c.out.push_back(c.in[0]);
  if (c.node.outputs.size() > 1)
    c.out.push_back(Tensor::splat(c.e.builder.getI1Type(), c.in[0].shape(), 1));
  return success();
}

/// The loss that the training step computes: a mean over labels, all classes
/// alike.
LogicalResult checkLoss(NodeContext &c) {
  auto refuse = [&](const Twine &what) {
    return c.e.error() << "the loss " << what
                       << ", which is not supported: export it with "
                          "reduction='mean' and without weights, or the model "
                          "without labels, for --loss cross_entropy";
  };
  std::string reduction = c.text("reduction", "mean");
  if (c.has(2))
    return refuse("has class weights");
  if (reduction != "mean")
    return refuse("has reduction='" + reduction + "'");
  if (c.node.outputs.size() > 1 && !c.node.outputs[1].empty())
    return refuse("gives the logarithms of the probabilities as well");
  if (!isa<IntegerType>(c.in[1].elementType()))
    return refuse("is taken over probabilities of classes, not labels");
  return success();
}

/// Mean cross-entropy of scores [N, C, ...] and labels [N, ...].
LogicalResult crossEntropy(NodeContext &c, Operand scores, int64_t axis) {
  if (failed(checkLoss(c)))
    return failure();
  auto last = c.e.transpose(scores, moveToEnd(scores.rank(), axis, false));
  if (failed(last))
    return failure();
  SmallVector<Value> operands = {c.e.materialize(*last),
                                 c.e.materialize(c.in[1])};
  // Labels are never negative: -100 ignores none where the file names none.
  auto values = c.e.build<SoftmaxCrossEntropyLossOp>(
      operands, c.e.integer("ignore_index", c.integer("ignore_index", -100)));
  if (failed(values))
    return failure();
  return c.result(Operand(values->front()));
}

LogicalResult softmaxCrossEntropyLoss(NodeContext &c) {
  if (c.in[0].rank() < 2)
    return c.e.error() << "SoftmaxCrossEntropyLoss of " << c.in[0].type();
  return crossEntropy(c, c.in[0], 1);
}

LogicalResult negativeLogLikelihoodLoss(NodeContext &c) {
  auto it =
      c.in[0].value ? c.logSoftmax.find(c.in[0].value) : c.logSoftmax.end();
  if (it == c.logSoftmax.end() || it->second.second != 1)
    return c.e.error()
           << "NegativeLogLikelihoodLoss is supported of a LogSoftmax over "
              "dimension 1 alone: export the loss as cross_entropy, or the "
              "model without labels, for --loss cross_entropy";
  return crossEntropy(c, it->second.first, 1);
}

LogicalResult constantValue(NodeContext &c) {
  OpBuilder &b = c.e.builder;
  auto floats = [&](ArrayRef<int64_t> shape, ArrayRef<double> values) {
    Tensor tensor(b.getF32Type(), shape);
    tensor.floats.assign(values.begin(), values.end());
    return tensor;
  };
  if (c.attribute("value")) {
    auto tensor = c.tensor("value");
    if (failed(tensor))
      return failure();
    c.out.push_back(std::move(*tensor));
  } else if (auto *value = c.attribute("value_float")) {
    c.out.push_back(floats({}, value->f));
  } else if (auto *value = c.attribute("value_floats")) {
    c.out.push_back(floats(int64_t(value->floats.size()), value->floats));
  } else if (auto *value = c.attribute("value_int")) {
    c.out.push_back(Tensor::ofInts(b.getI64Type(), {}, value->i));
  } else if (auto *value = c.attribute("value_ints")) {
    c.out.push_back(Tensor::ofInts(b.getI64Type(), int64_t(value->ints.size()),
                                   value->ints));
  } else {
    return failure();
  }
  return success();
}
} // namespace

void fsdp::onnx::addNNHandlers(HandlerTable &table) {
  table["Constant"] = constantValue;
  table["MatMul"] = matMul;
  table["Gemm"] = gemm;
  table["Softmax"] = softmax<false>;
  table["LogSoftmax"] = softmax<true>;
  table["LayerNormalization"] = layerNormalization;
  table["RMSNormalization"] = rmsNormalization;
  table["BatchNormalization"] = batchNormalization;
  table["Dropout"] = dropout;
  table["SoftmaxCrossEntropyLoss"] = softmaxCrossEntropyLoss;
  table["NegativeLogLikelihoodLoss"] = negativeLogLikelihoodLoss;
}
