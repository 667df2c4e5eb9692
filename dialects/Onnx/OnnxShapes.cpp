//===- OnnxShapes.cpp - Result types of onnx ops --------------------------===//
//
// Each function returns the result types that ONNX prescribes for the operands
// and attributes, or fails with a message at `loc`. The generated verifier
// compares them with the types written in the IR.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Evaluate.h"
#include "dialects/Onnx/OnnxInfer.h"

using namespace mlir;
using namespace fsdp::onnx;

FailureOr<SmallVector<int64_t>>
fsdp::onnx::broadcastShapes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> shape(a);
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t &extent = shape[offset + i];
    if (extent == 1)
      extent = b[i];
    else if (b[i] != 1 && b[i] != extent)
      return failure();
  }
  return shape;
}

Type fsdp::onnx::statisticsType(Type element) {
  bool isHalf = element.isBF16() || element.isF16();
  return isHalf ? Float32Type::get(element.getContext()) : element;
}

namespace {
RankedTensorType tensorType(Value v) {
  return cast<RankedTensorType>(v.getType());
}

LogicalResult fail(std::optional<Location> loc, const Twine &message) {
  return emitOptionalError(loc, message);
}

/// Broadcast shape of all operands with element type `element`.
LogicalResult inferBroadcast(std::optional<Location> loc, ValueRange operands,
                             Type element, SmallVectorImpl<Type> &types) {
  SmallVector<int64_t> shape;
  for (Value operand : operands) {
    auto joined = broadcastShapes(shape, tensorType(operand).getShape());
    if (failed(joined))
      return emitOptionalError(loc, "operand type ", operand.getType(),
                               " does not broadcast with the others");
    shape = *joined;
  }
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

LogicalResult inferReduce(std::optional<Location> loc, Value x,
                          ArrayRef<int64_t> axes, bool keepdims,
                          SmallVectorImpl<Type> &types) {
  RankedTensorType type = tensorType(x);
  for (size_t i = 1; i < axes.size(); ++i)
    if (axes[i] <= axes[i - 1]) // reduce_c1
      return emitOptionalError(loc, "axes [", axes,
                               "] are not sorted and unique (reduce_c1)");
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(type.getShape())) {
    if (!llvm::is_contained(axes, int64_t(i)))
      shape.push_back(extent);
    else if (keepdims)
      shape.push_back(1);
  }
  for (int64_t axis : axes)
    if (axis < 0 || axis >= type.getRank())
      return emitOptionalError(loc, "axis ", axis, " is not in [0, ",
                               type.getRank(), ")");
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}
} // namespace

#define INFER_SAME(OP)                                                         \
  INFER(OP) {                                                                  \
    types.push_back(operands[0].getType());                                    \
    return success();                                                          \
  }
#define INFER_UNARY(KIND) INFER_SAME(KIND##Op)
FSDP_ONNX_UNARY(INFER_UNARY)
INFER_SAME(GeluOp)
INFER_SAME(SoftmaxOp)

#define INFER_BINARY(OP)                                                       \
  INFER(OP) {                                                                  \
    Type lhs = tensorType(operands[0]).getElementType();                       \
    Type rhs = tensorType(operands[1]).getElementType();                       \
    if (lhs != rhs)                                                            \
      return emitOptionalError(loc, "element types ", lhs, " and ", rhs,       \
                               " differ");                                     \
    return inferBroadcast(loc, operands, lhs, types);                          \
  }
INFER_BINARY(AddOp)
INFER_BINARY(SubOp)
INFER_BINARY(MulOp)
INFER_BINARY(DivOp)
INFER_BINARY(PowOp)
INFER_BINARY(ModOp)
INFER_BINARY(FModOp)
INFER_BINARY(MaxOp)
INFER_BINARY(MinOp)

#define INFER_COMPARE(OP)                                                      \
  INFER(OP) {                                                                  \
    if (tensorType(operands[0]).getElementType() !=                            \
        tensorType(operands[1]).getElementType())                              \
      return emitOptionalError(                                                \
          loc, "element types ", tensorType(operands[0]).getElementType(),     \
          " and ", tensorType(operands[1]).getElementType(), " differ");       \
    return inferBroadcast(loc, operands, IntegerType::get(context, 1), types); \
  }
INFER_COMPARE(AndOp)
INFER_COMPARE(OrOp)
INFER_COMPARE(EqualOp)
INFER_COMPARE(LessOp)
INFER_COMPARE(LessOrEqualOp)
INFER_COMPARE(GreaterOp)
INFER_COMPARE(GreaterOrEqualOp)

INFER(WhereOp) {
  Type a = tensorType(operands[1]).getElementType();
  Type b = tensorType(operands[2]).getElementType();
  if (a != b)
    return emitOptionalError(loc, "element types ", a, " and ", b, " differ");
  return inferBroadcast(loc, operands, tensorType(operands[1]).getElementType(),
                        types);
}

INFER(TransposeOp) {
  RankedTensorType type = tensorType(operands[0]);
  Adaptor adaptor(operands, attributes, properties, regions);
  ArrayRef<int64_t> perm = adaptor.getPerm();
  SmallVector<int64_t> sorted(perm);
  llvm::sort(sorted);
  for (auto [i, p] : llvm::enumerate(sorted))
    if (int64_t(i) != p || int64_t(perm.size()) != type.getRank())
      return fail(loc, "perm is not a permutation of the dimensions");
  SmallVector<int64_t> shape;
  for (int64_t p : perm)
    shape.push_back(type.getDimSize(p));
  types.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

INFER(ConcatOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  int64_t axis = adaptor.getAxis();
  RankedTensorType first = tensorType(operands[0]);
  if (axis < 0 || axis >= first.getRank())
    return fail(loc, "axis is outside the operands' rank");
  SmallVector<int64_t> shape(first.getShape());
  shape[axis] = 0;
  for (Value operand : operands) {
    RankedTensorType type = tensorType(operand);
    if (type.getRank() != first.getRank())
      return fail(loc, "operands differ in rank");
    if (type.getElementType() != first.getElementType())
      return emitOptionalError(loc, "element types ", first.getElementType(),
                               " and ", type.getElementType(), " differ");
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (i != axis && type.getDimSize(i) != first.getDimSize(i))
        return emitOptionalError(loc, "operand type ", type, " does not match ",
                                 first);
    shape[axis] += type.getDimSize(axis);
  }
  types.push_back(RankedTensorType::get(shape, first.getElementType()));
  return success();
}

#define INFER_REDUCE(OP)                                                       \
  INFER(OP) {                                                                  \
    Adaptor adaptor(operands, attributes, properties, regions);                \
    return inferReduce(loc, operands[0], adaptor.getAxes(),                    \
                       adaptor.getKeepdims(), types);                          \
  }
INFER_REDUCE(ReduceMaxOp)

/// A sum of i1 would be one of its two values.
#define INFER_SUM(OP)                                                          \
  INFER(OP) {                                                                  \
    Adaptor adaptor(operands, attributes, properties, regions);                \
    if (tensorType(operands[0]).getElementType().isInteger(1))                 \
      return fail(loc, "i1 has no sums: cast it (reduce_c2)");                 \
    return inferReduce(loc, operands[0], adaptor.getAxes(),                    \
                       adaptor.getKeepdims(), types);                          \
  }
INFER_SUM(ReduceSumOp)
INFER_SUM(ReduceMeanOp)

/// Whether `actual` is `inferred`, or the same in the type of its statistics.
static bool isSumOf(TypeRange inferred, TypeRange actual) {
  auto from = cast<RankedTensorType>(inferred.front());
  auto to = dyn_cast<RankedTensorType>(actual.front());
  Type element = from.getElementType();
  return to && from.getShape() == to.getShape() &&
         (to.getElementType() == element ||
          to.getElementType() == statisticsType(element));
}

#define COMPATIBLE_SUM(OP)                                                     \
  bool OP::isCompatibleReturnTypes(TypeRange inferred, TypeRange actual) {     \
    return isSumOf(inferred, actual);                                          \
  }
COMPATIBLE_SUM(ReduceSumOp)
COMPATIBLE_SUM(ReduceMeanOp)
COMPATIBLE_SUM(ReduceMaxOp)
COMPATIBLE_SUM(MatMulOp)

FailureOr<RankedTensorType> fsdp::onnx::inferMatMul(std::optional<Location> loc,
                                                    Value lhs, Value rhs,
                                                    bool transA, bool transB) {
  RankedTensorType a = tensorType(lhs), b = tensorType(rhs);
  if (a.getRank() < 2 || b.getRank() < 2 ||
      a.getElementType() != b.getElementType()) // matmul_c1
    return emitOptionalError(
        loc, "operands of types ", a, " and ", b,
        " must have rank >= 2 and one element type (matmul_c1)");
  auto extents = [](RankedTensorType type, bool trans) {
    int64_t rows = type.getDimSize(type.getRank() - 2);
    int64_t cols = type.getDimSize(type.getRank() - 1);
    return trans ? std::pair(cols, rows) : std::pair(rows, cols);
  };
  auto [m, ka] = extents(a, transA);
  auto [kb, n] = extents(b, transB);
  if (ka != kb) // matmul_c2
    return emitOptionalError(loc, "contracted extents ", ka, " and ", kb,
                             " differ (matmul_c2)");
  auto shape =
      broadcastShapes(a.getShape().drop_back(2), b.getShape().drop_back(2));
  if (failed(shape)) // matmul_c3
    return emitOptionalError(loc, "leading extents of ", a, " and ", b,
                             " do not broadcast (matmul_c3)");
  shape->push_back(m);
  shape->push_back(n);
  return RankedTensorType::get(*shape, a.getElementType());
}

INFER(MatMulOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  auto type = inferMatMul(loc, operands[0], operands[1], adaptor.getTransA(),
                          adaptor.getTransB());
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

/// Whether operands of these types can be an attention's; the label of the
/// first rule that they break, or "".
static StringRef brokenAttentionRule(RankedTensorType q, RankedTensorType k,
                                     RankedTensorType v, RankedTensorType mask,
                                     bool causal) {
  for (RankedTensorType type : {q, k, v})
    if (type.getRank() != 4 || type.getElementType() != q.getElementType())
      return "operands of one element type and rank 4 (attention_c1)";
  if (mask && mask.getElementType() != q.getElementType() &&
      mask.getElementType() != statisticsType(q.getElementType()))
    return "operands of one element type and rank 4 (attention_c1)";
  if (k.getShape().drop_back() != v.getShape().drop_back() ||
      q.getDimSize(0) != k.getDimSize(0) || q.getDimSize(3) != k.getDimSize(3))
    return "[B, H, S, D], [B, Hk, T, D] and [B, Hk, T, Dv] (attention_c2)";
  if (k.getDimSize(1) == 0 || q.getDimSize(1) % k.getDimSize(1) != 0)
    return "a multiple of k's heads in q (attention_c3)";
  SmallVector<int64_t> scores = {q.getDimSize(0), q.getDimSize(1),
                                 q.getDimSize(2), k.getDimSize(2)};
  if (mask) {
    auto joined = broadcastShapes(scores, mask.getShape());
    if (mask.getRank() > 4 || failed(joined) || *joined != scores)
      return "a mask that broadcasts to [B, H, S, T] (attention_c4)";
  }
  if (causal && scores[2] > scores[3])
    return "at most T rows where causal (attention_c5)";
  return "";
}

FailureOr<SmallVector<Type>>
fsdp::onnx::inferAttention(std::optional<Location> loc, Value q, Value k,
                           Value v, Value mask, bool causal) {
  RankedTensorType type = tensorType(q);
  StringRef rule =
      brokenAttentionRule(type, tensorType(k), tensorType(v),
                          mask ? tensorType(mask) : RankedTensorType(), causal);
  if (!rule.empty())
    return emitOptionalError(loc, "q, k and v of types ", type, ", ",
                             k.getType(), " and ", v.getType(),
                             mask ? " with a mask" : "", ", expected ", rule);
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = tensorType(v).getShape().back();
  Type y = RankedTensorType::get(shape, type.getElementType());
  Type row = RankedTensorType::get(type.getShape().drop_back(),
                                   statisticsType(type.getElementType()));
  return SmallVector<Type>{y, row, row};
}

INFER(AttentionOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  auto inferred =
      inferAttention(loc, adaptor.getQ(), adaptor.getK(), adaptor.getV(),
                     adaptor.getMask(), adaptor.getCausal());
  if (failed(inferred))
    return failure();
  llvm::append_range(types, *inferred);
  return success();
}

/// x and `numStatistics` values a row of it.
static LogicalResult inferNorm(std::optional<Location> loc, ValueRange operands,
                               size_t numStatistics,
                               SmallVectorImpl<Type> &types) {
  RankedTensorType x = tensorType(operands[0]);
  if (x.getRank() < 1)
    return fail(loc, "x is a scalar");
  auto row = RankedTensorType::get({x.getShape().back()}, x.getElementType());
  for (Value operand : operands.drop_front())
    if (operand.getType() != row)
      return emitOptionalError(loc, "scale or bias of type ", operand.getType(),
                               ", expected ", row);
  auto stats = RankedTensorType::get(x.getShape().drop_back(),
                                     statisticsType(x.getElementType()));
  types.push_back(x);
  types.append(numStatistics, stats);
  return success();
}

INFER(LayerNormalizationOp) {
  return inferNorm(loc, operands, /*numStatistics=*/2, types);
}

INFER(RmsNormalizationOp) {
  return inferNorm(loc, operands, /*numStatistics=*/1, types);
}

INFER(SoftmaxCrossEntropyLossOp) {
  RankedTensorType logits = tensorType(operands[0]);
  if (logits.getRank() < 1 ||
      logits.getShape().drop_back() != tensorType(operands[1]).getShape())
    return emitOptionalError(loc, "labels of type ", operands[1].getType(),
                             " do not match logits of type ", logits);
  types.push_back(
      RankedTensorType::get({}, statisticsType(logits.getElementType())));
  return success();
}
