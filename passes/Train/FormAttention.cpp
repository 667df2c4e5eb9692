//===- FormAttention.cpp - Products around a softmax into attention -------===//
//
//   %t = onnx.matmul %q, %k {transB}
//   %s = onnx.mul %t, %scale
//   %m = onnx.add %s, %mask
//   %p = onnx.softmax %m
//   %y = onnx.matmul %p, %v
// becomes
//   %y, %max, %sum = onnx.attention %q, %k, %v scale 0.125 {causal}
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Support/Values.h"
#include "passes/Train/Form.h"
#include "passes/Train/Passes.h"

#include <cmath>

namespace fsdp {
#define GEN_PASS_DEF_TRAINFORMATTENTION
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// What a mask must hold at least to hide a score.
constexpr double kHidden = -1e4;

/// If `value` is another of its type times a number: the other, and `scale`
/// times that number.
Value stripNumber(Value value, double &scale) {
  while (Operation *op = value.getDefiningOp()) {
    bool isMul = isa<onnx::MulOp>(op);
    if (!isMul && !isa<onnx::DivOp>(op))
      return value;
    Value rest = op->getOperand(0);
    std::optional<double> number = numberOf(op->getOperand(1));
    if (!number && isMul) {
      rest = op->getOperand(1);
      number = numberOf(op->getOperand(0));
    }
    if (!number || rest.getType() != value.getType())
      return value;
    scale = isMul ? scale * *number : scale / *number;
    value = rest;
  }
  return value;
}

/// Whether `value` is computed from a parameter.
bool dependsOnParameter(Value value) {
  SmallVector<Value> work = {value};
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value next = work.pop_back_val();
    Operation *op = next.getDefiningOp();
    if (!seen.insert(next).second || !op)
      continue;
    if (isa<onnx::ReadOp>(op))
      return true;
    llvm::append_range(work, op->getOperands());
  }
  return false;
}

/// Whether element [..., i, j] of a mask of `shape` is 0 for j <= i + T - S and
/// hides all others.
template <typename Float>
bool isCausal(DenseElementsAttr mask, int64_t rows, int64_t columns) {
  int64_t i = 0, j = 0;
  for (Float value : mask.getValues<Float>()) {
    if (j <= i + columns - rows ? value != 0 : !(value <= kHidden))
      return false;
    if (++j == columns) {
      j = 0;
      i = i + 1 == rows ? 0 : i + 1;
    }
  }
  return true;
}

/// The operands of one attention, found from its softmax.
class Attention {
public:
  /// Fails, without a change of the IR, where `softmax` is not part of one.
  static FailureOr<Attention> match(onnx::SoftmaxOp softmax);
  /// `hidesFuture(mask, S, T)`: whether a constant mask is the causal one.
  using MaskTest =
      llvm::function_ref<bool(DenseElementsAttr, int64_t, int64_t)>;
  onnx::AttentionOp build(OpBuilder &builder, MaskTest hidesFuture);

  onnx::MatMulOp product; ///< of the probabilities and v

private:
  LogicalResult matchScores(Value value);
  LogicalResult setMask(Value value);
  LogicalResult setChoice(onnx::WhereOp op);
  bool isPlain();
  Value buildKeys(OpBuilder &builder);
  Value transposed(OpBuilder &builder, Value value);
  Value withoutCopies(OpBuilder &builder, Value value);

  onnx::SoftmaxOp softmax;
  onnx::MatMulOp scores;
  Value mask;               ///< added to the scores; null: none
  DenseElementsAttr hidden; ///< what a constant choice adds; null: none
  double scale = 1;
};

FailureOr<Attention> Attention::match(onnx::SoftmaxOp softmax) {
  Attention found;
  found.softmax = softmax;
  if (!softmax.getY().hasOneUse())
    return failure();
  found.product = dyn_cast<onnx::MatMulOp>(*softmax->user_begin());
  if (!found.product || found.product.getLhs() != softmax.getY() ||
      found.product.getTransA() || found.product.getTransB() ||
      failed(found.matchScores(softmax.getX())) || !found.isPlain())
    return failure();
  return found;
}

/// Follows `value` up to the product of q and k.
LogicalResult Attention::matchScores(Value value) {
  if (!value.hasOneUse() || value.getType() != softmax.getX().getType())
    return failure();
  if ((scores = value.getDefiningOp<onnx::MatMulOp>()))
    return success(!scores.getTransA());
  double factor = 1;
  Value rest = stripNumber(value, factor);
  if (rest != value) {
    scale *= factor;
    return matchScores(rest);
  }
  // A mask below a scale would have to be scaled as well.
  if (mask || hidden || scale != 1)
    return failure();
  if (auto choice = value.getDefiningOp<onnx::WhereOp>())
    return setChoice(choice);
  auto sum = value.getDefiningOp<onnx::AddOp>();
  if (!sum)
    return failure();
  for (auto [i, operand] : llvm::enumerate(sum->getOperands())) {
    Attention inner = *this;
    if (succeeded(inner.setMask(sum->getOperand(1 - i))) &&
        succeeded(inner.matchScores(operand))) {
      *this = inner;
      return success();
    }
  }
  return failure();
}

LogicalResult Attention::setMask(Value value) {
  mask = value;
  return success(typeOf(value).getRank() <= 4 && !dependsOnParameter(value));
}

/// onnx.where of a constant condition and one number hides scores, as the same
/// number added to them does, unless it hides a whole row: then all its columns
/// are equal.
LogicalResult Attention::setChoice(onnx::WhereOp op) {
  DenseElementsAttr condition = constantOf(op.getOperand(0));
  std::optional<double> number = numberOf(op.getOperand(2));
  bool keeps = bool(number); // which condition keeps the score
  if (!number)
    number = numberOf(op.getOperand(1));
  if (!condition || !number || !(*number <= kHidden))
    return failure();
  ArrayRef<int64_t> shape = condition.getType().getShape();
  int64_t columns = typeOf(op.getResult()).getShape().back();
  if (shape.empty() || shape.back() != columns)
    return failure();
  SmallVector<Attribute> added;
  Builder builder(op.getContext());
  Type element = typeOf(op.getResult()).getElementType();
  Attribute zero = builder.getFloatAttr(element, 0);
  Attribute low = builder.getFloatAttr(element, *number);
  int64_t visible = 0;
  for (bool value : condition.getValues<bool>()) {
    added.push_back(value == keeps ? zero : low);
    visible += value == keeps;
    if (int64_t(added.size()) % columns == 0 && std::exchange(visible, 0) == 0)
      return failure();
  }
  hidden = DenseElementsAttr::get(RankedTensorType::get(shape, element), added);
  return matchScores(op.getOperand(keeps ? 1 : 2));
}

/// Rank 4, nothing broadcast, a type that the kernels know.
bool Attention::isPlain() {
  RankedTensorType q = typeOf(scores.getLhs()), k = typeOf(scores.getRhs());
  RankedTensorType v = typeOf(product.getRhs());
  auto batch = [](RankedTensorType type) {
    return type.getShape().drop_back(2);
  };
  Type element = q.getElementType();
  return (element.isF32() || element.isF64()) && q.getRank() == 4 &&
         k.getRank() == 4 && v.getRank() == 4 && batch(q) == batch(k) &&
         batch(q) == batch(v) && std::isfinite(scale);
}

/// `value` with its last two dimensions exchanged, best without computing: by
/// undoing the transpose that the model has for the product.
Value Attention::transposed(OpBuilder &builder, Value value) {
  value = stripNumber(value, scale);
  RankedTensorType type = typeOf(value);
  SmallVector<int64_t> shape(type.getShape());
  int64_t rank = shape.size();
  std::swap(shape[rank - 1], shape[rank - 2]);
  Location loc = softmax.getLoc();
  if (auto reshape = value.getDefiningOp<onnx::ReshapeOp>()) {
    ArrayRef<int64_t> from = typeOf(reshape.getX()).getShape();
    if (from.size() >= 2 && from.take_back(2) == type.getShape().take_back(2)) {
      Value inner = transposed(builder, reshape.getX());
      return builder.create<onnx::ReshapeOp>(
          loc, RankedTensorType::get(shape, type.getElementType()), inner,
          softmax.getScope());
    }
  }
  SmallVector<int64_t> perm(rank);
  for (int64_t i = 0; i < rank; ++i)
    perm[i] = i;
  if (auto before = value.getDefiningOp<onnx::TransposeOp>()) {
    perm.assign(before.getPerm().begin(), before.getPerm().end());
    value = before.getX();
  }
  std::swap(perm[rank - 1], perm[rank - 2]);
  if (llvm::is_sorted(perm))
    return value;
  return builder.create<onnx::TransposeOp>(loc, value, perm,
                                           softmax.getScope());
}

/// Heads of [B, H, T, D] that are copies for grouped queries: [B, Hk, T, D].
Value Attention::withoutCopies(OpBuilder &builder, Value value) {
  ArrayRef<int64_t> shape = typeOf(value).getShape();
  auto expand = viewSource(value).getDefiningOp<onnx::ExpandOp>();
  if (!expand)
    return value;
  RankedTensorType few = typeOf(expand.getX());
  ArrayRef<int64_t> many = typeOf(expand.getY()).getShape();
  int64_t B = shape[0], H = shape[1], T = shape[2], D = shape[3];
  if (many.size() != 5 || few.getRank() != 5 || many[0] != B ||
      many[1] * many[2] != H || many[3] != T || many[4] != D ||
      few.getShape() != ArrayRef<int64_t>({B, many[1], 1, T, D}))
    return value;
  return builder.create<onnx::ReshapeOp>(
      softmax.getLoc(),
      RankedTensorType::get({B, many[1], T, D}, few.getElementType()),
      expand.getX(), softmax.getScope());
}

/// The keys as [B, H, T, D].
Value Attention::buildKeys(OpBuilder &builder) {
  Value k = scores.getRhs();
  if (!scores.getTransB())
    k = transposed(builder, k);
  return stripNumber(k, scale);
}

onnx::AttentionOp Attention::build(OpBuilder &builder, MaskTest hidesFuture) {
  Value q = stripNumber(scores.getLhs(), scale), k = buildKeys(builder);
  Value v = product.getRhs();
  Value fewKeys = withoutCopies(builder, k),
        fewValues = withoutCopies(builder, v);
  if (typeOf(fewKeys).getDimSize(1) == typeOf(fewValues).getDimSize(1)) {
    k = fewKeys;
    v = fewValues;
  }
  DenseElementsAttr constant = mask ? constantOf(mask) : hidden;
  bool causal = constant && hidesFuture(constant, typeOf(q).getDimSize(2),
                                        typeOf(k).getDimSize(2));
  Value added = causal ? Value() : mask;
  if (!causal && hidden)
    added = builder.create<onnx::ConstantOp>(softmax.getLoc(), hidden.getType(),
                                             hidden);
  return builder.create<onnx::AttentionOp>(
      softmax.getLoc(), q, k, v, added, builder.getF64FloatAttr(scale),
      causal ? builder.getUnitAttr() : UnitAttr(), softmax.getScopeAttr());
}

struct FormAttention
    : public fsdp::impl::TrainFormAttentionBase<FormAttention> {
  using TrainFormAttentionBase::TrainFormAttentionBase;

  void runOnOperation() override {
    formOps<onnx::SoftmaxOp>(
        getOperation(), [&](onnx::SoftmaxOp softmax) { return form(softmax); });
  }

  bool form(onnx::SoftmaxOp softmax) {
    FailureOr<Attention> found = Attention::match(softmax);
    if (failed(found))
      return false;
    OpBuilder builder(found->product);
    auto attention = found->build(
        builder, [&](DenseElementsAttr mask, int64_t rows, int64_t columns) {
          return hidesFuture(mask, rows, columns);
        });
    found->product.getY().replaceAllUsesWith(attention.getY());
    ++numFormed;
    return true;
  }

  /// Asked once for each mask, since all layers share theirs.
  bool hidesFuture(DenseElementsAttr mask, int64_t rows, int64_t columns) {
    ArrayRef<int64_t> shape = mask.getType().getShape();
    if (rows > columns || shape.size() < 2 ||
        shape.take_back(2) != ArrayRef<int64_t>({rows, columns}))
      return false;
    auto [it, isNew] = known.try_emplace(mask, false);
    if (isNew)
      it->second = mask.getElementType().isF32()
                       ? isCausal<float>(mask, rows, columns)
                       : isCausal<double>(mask, rows, columns);
    return it->second;
  }

  DenseMap<Attribute, bool> known;
};
} // namespace
