//===- Emitter.cpp - Builds canonical ops, or evaluates them --------------===//
#include "dialects/Onnx/Import/Emitter.h"
#include "dialects/Onnx/Import/Graph.h"

#include "mlir/IR/Verifier.h"
#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

bool Operand::isTensor() const {
  if (constant)
    return true;
  auto type = value ? dyn_cast<RankedTensorType>(value.getType()) : nullptr;
  return type && type.hasStaticShape();
}

RankedTensorType Operand::type() const {
  return constant ? constant->type() : cast<RankedTensorType>(value.getType());
}

Value Emitter::materialize(const Operand &x) {
  if (!x.constant)
    return x.value;
  return builder.create<ConstantOp>(loc, x.type(),
                                    cache.attributeOf(x.constant), scope);
}

FailureOr<SmallVector<Value>>
Emitter::create(StringRef name, ValueRange operands, TypeRange types,
                ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, name, operands, types, attributes);
  Operation *op = builder.create(state);
  // Folds rely on it.
  if (failed(verify(op, /*verifyRecursively=*/false)))
    return failure();
  // Identities only: constants are evaluated before an op is built.
  SmallVector<OpFoldResult> folded;
  if (succeeded(op->fold(folded)) && folded.size() == op->getNumResults() &&
      llvm::all_of(folded, [](OpFoldResult r) { return isa<Value>(r); })) {
    SmallVector<Value> values;
    for (OpFoldResult result : folded)
      values.push_back(llvm::cast<Value>(result));
    if (llvm::none_of(values,
                      [&](Value v) { return v.getDefiningOp() == op; })) {
      op->erase();
      return values;
    }
  }
  return SmallVector<Value>(op->getResults());
}

/// The single result of a built op.
static MaybeOperand first(FailureOr<SmallVector<Value>> values) {
  if (failed(values))
    return failure();
  return Operand(values->front());
}

bool Emitter::checkSize(ArrayRef<int64_t> shape, bool computed) {
  std::optional<int64_t> count = countElements(shape);
  if (count && computed && *count > maxConstantElements) {
    error() << "a constant of " << *count << " elements is computed here, "
            << "expected " << maxConstantElements
            << " at most: give smaller --dim";
    return false;
  }
  if (count && *count <= (int64_t(1) << 36))
    return true;
  error() << "a result here has an impossible shape (a negative extent, or "
             "more elements than fit in memory)";
  return false;
}

MaybeOperand Emitter::once(const ConstantKey &key, StringRef what,
                           llvm::function_ref<MaybeTensor()> compute) {
  Operand result;
  if ((result.constant = cache.find(key)))
    return result;
  if (MaybeTensor tensor = compute()) {
    result = Operand(std::move(*tensor));
    cache.insert(key, result.constant);
    return result;
  }
  return error() << what
                 << " of constants is not defined: their shapes, types "
                    "or indices do not agree";
}

/// Shape `a` and `b` broadcast to, or an empty one when they do not: the op's
/// own inference reports it.
static SmallVector<int64_t> joined(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  auto shape = broadcastShapes(a, b);
  return failed(shape) ? SmallVector<int64_t>() : *shape;
}

/// A constant that repeats itself along dimensions which the other operands,
/// of broadcast shape `other`, span: one copy is enough. A causal mask of
/// shape [B, 1, S, S] becomes [1, 1, S, S].
Operand Emitter::withoutCopies(const Operand &x, ArrayRef<int64_t> other) {
  if (!x.constant)
    return x;
  int64_t rank = x.rank(), extra = int64_t(other.size()) - rank;
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i)
    if (i + extra >= 0 && other[i + extra] == x.shape()[i])
      axes.push_back(i);
  bool toScalar = int64_t(other.size()) >= rank;
  auto key = ConstantKey("copies").add(axes).add(toScalar).add(x.constant);
  return *once(key, "a copy", [&] {
    Tensor collapsed = collapseCopies(*x.constant, axes);
    if (collapsed.numElements() == 1 && toScalar)
      collapsed.shape.clear();
    return collapsed;
  });
}

MaybeOperand Emitter::unary(Unary kind, const Operand &x) {
  if (x.constant)
    return once(ConstantKey("unary").add(int64_t(kind)).add(x.constant),
                "an operation", [&] { return evaluate(kind, *x.constant); });
#define BUILD(KIND)                                                            \
  case Unary::KIND:                                                            \
    return first(build<KIND##Op>(x.value));
  switch (kind) {
    FSDP_ONNX_UNARY(BUILD)
  case Unary::IsNaN: {
    auto same = binary(Binary::Equal, x, x);
    return failed(same) ? same : unary(Unary::Not, *same);
  }
  case Unary::IsInf: {
    auto size = unary(Unary::Abs, x);
    return failed(size) ? size
                        : binary(Binary::Equal, *size, scalarLike(x, HUGE_VAL));
  }
  }
#undef BUILD
  llvm_unreachable("all kinds handled");
}

MaybeOperand Emitter::binary(Binary kind, const Operand &a, const Operand &b) {
  if (!checkSize(joined(a.shape(), b.shape()), a.constant && b.constant))
    return failure();
  if (a.constant && b.constant)
    return once(ConstantKey("binary")
                    .add(int64_t(kind))
                    .add(a.constant)
                    .add(b.constant),
                "an operation",
                [&] { return evaluate(kind, *a.constant, *b.constant); });
  SmallVector<Value> operands = {materialize(withoutCopies(a, b.shape())),
                                 materialize(withoutCopies(b, a.shape()))};
  switch (kind) {
  case Binary::Add:
    return first(build<AddOp>(operands));
  case Binary::Sub:
    return first(build<SubOp>(operands));
  case Binary::Mul:
    return first(build<MulOp>(operands));
  case Binary::Div:
    return first(build<DivOp>(operands));
  case Binary::Pow:
    return first(build<PowOp>(operands));
  case Binary::Mod:
    return first(build<ModOp>(operands));
  case Binary::FMod:
    return first(build<FModOp>(operands));
  case Binary::Max:
    return first(build<MaxOp>(operands));
  case Binary::Min:
    return first(build<MinOp>(operands));
  case Binary::And:
    return first(build<AndOp>(operands));
  case Binary::Or:
    return first(build<OrOp>(operands));
  case Binary::Equal:
    return first(build<EqualOp>(operands));
  case Binary::Less:
    return first(build<LessOp>(operands));
  case Binary::LessOrEqual:
    return first(build<LessOrEqualOp>(operands));
  case Binary::Greater:
    return first(build<GreaterOp>(operands));
  case Binary::GreaterOrEqual:
    return first(build<GreaterOrEqualOp>(operands));
  case Binary::Xor: {
    auto same = binary(Binary::Equal, a, b);
    return failed(same) ? same : unary(Unary::Not, *same);
  }
  }
  llvm_unreachable("all kinds handled");
}

MaybeOperand Emitter::where(const Operand &condition, const Operand &a,
                            const Operand &b) {
  SmallVector<int64_t> shape = joined(a.shape(), b.shape());
  if (!checkSize(joined(condition.shape(), shape),
                 condition.constant && a.constant && b.constant))
    return failure();
  if (condition.constant && a.constant && b.constant)
    return once(ConstantKey("where")
                    .add(condition.constant)
                    .add(a.constant)
                    .add(b.constant),
                "a choice", [&] {
                  return fsdp::onnx::where(*condition.constant, *a.constant,
                                           *b.constant);
                });
  SmallVector<int64_t> ofA = joined(condition.shape(), b.shape()),
                       ofB = joined(condition.shape(), a.shape());
  // Copies are dropped one operand at a time, beside operands that span them.
  Operand c = withoutCopies(condition, shape);
  Operand x = a.constant && b.value ? withoutCopies(a, b.shape()) : a;
  Operand y = b.constant && a.value ? withoutCopies(b, a.shape()) : b;
  return first(
      build<WhereOp>({materialize(c), materialize(x), materialize(y)}));
}

MaybeOperand Emitter::cast(const Operand &x, Type elementType) {
  if (x.constant)
    return once(ConstantKey("cast").add(elementType).add(x.constant), "a cast",
                [&] { return fsdp::onnx::convert(*x.constant, elementType); });
  return first(
      buildAs<CastOp>(RankedTensorType::get(x.shape(), elementType), x.value));
}

MaybeOperand Emitter::reshape(const Operand &x, ArrayRef<int64_t> shape) {
  if (!checkSize(shape))
    return failure();
  if (*countElements(shape) != x.type().getNumElements())
    return error() << "cannot reshape " << x.type() << " to "
                   << RankedTensorType::get(shape, x.elementType());
  if (x.constant)
    return once(ConstantKey("reshape").add(shape).add(x.constant), "a reshape",
                [&] { return fsdp::onnx::reshape(*x.constant, shape); });
  return first(buildAs<ReshapeOp>(RankedTensorType::get(shape, x.elementType()),
                                  x.value));
}

MaybeOperand Emitter::stopGradient(const Operand &x) {
  if (x.sequence) {
    Operand stopped;
    stopped.sequence = std::make_shared<std::vector<Operand>>();
    for (const Operand &part : *x.sequence) {
      MaybeOperand each = stopGradient(part);
      if (failed(each))
        return failure();
      stopped.sequence->push_back(*each);
    }
    return stopped;
  }
  // What is absent, or unknown behind an unsupported operator, has none.
  if (x.constant || !x.isTensor() || !isa<FloatType>(x.elementType()))
    return x;
  return first(build<StopGradientOp>(x.value));
}

MaybeOperand Emitter::transpose(const Operand &x, ArrayRef<int64_t> perm) {
  SmallVector<int64_t> sorted(perm);
  llvm::sort(sorted);
  bool valid = int64_t(perm.size()) == x.rank();
  for (auto [i, p] : llvm::enumerate(sorted))
    valid &= p == int64_t(i);
  if (!valid)
    return error() << "perm is not a permutation of the " << x.rank()
                   << " dimensions of " << x.type();
  if (x.constant)
    return once(ConstantKey("transpose").add(perm).add(x.constant),
                "a transpose",
                [&] { return fsdp::onnx::transpose(*x.constant, perm); });
  return first(build<TransposeOp>(x.value, ints("perm", perm)));
}

MaybeOperand Emitter::expand(const Operand &x, ArrayRef<int64_t> shape) {
  auto full = broadcastShapes(x.shape(), shape);
  if (failed(full))
    return error() << "cannot expand " << x.type() << " to "
                   << RankedTensorType::get(shape, x.elementType());
  if (!checkSize(*full, bool(x.constant)))
    return failure();
  if (x.constant)
    return once(ConstantKey("expand").add(*full).add(x.constant),
                "an expansion",
                [&] { return fsdp::onnx::expand(*x.constant, *full); });
  return first(buildAs<ExpandOp>(RankedTensorType::get(*full, x.elementType()),
                                 x.value));
}

MaybeOperand Emitter::softmax(const Operand &x) {
  if (x.rank() < 1)
    return error() << "softmax of a scalar";
  return first(build<SoftmaxOp>(materialize(x)));
}

MaybeOperand Emitter::matmul(const Operand &a, const Operand &b, bool transA,
                             bool transB) {
  if (a.constant && b.constant && !transA && !transB) {
    // As many products as a constant may have elements.
    SmallVector<int64_t> work(a.shape());
    work.push_back(b.shape().back());
    if (!checkSize(work, /*computed=*/true))
      return failure();
    return once(ConstantKey("matmul").add(a.constant).add(b.constant),
                "a product",
                [&] { return fsdp::onnx::matmul(*a.constant, *b.constant); });
  }
  if (!isa<FloatType>(a.elementType()))
    return failure(); // no product of integers has a kernel
  SmallVector<NamedAttribute> attributes;
  if (transA)
    attributes.push_back(flag("transA"));
  if (transB)
    attributes.push_back(flag("transB"));
  SmallVector<Value> operands = {materialize(a), materialize(b)};
  return first(build<MatMulOp>(operands, attributes));
}
