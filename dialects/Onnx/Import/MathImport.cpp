//===- MathImport.cpp - Elementwise operators -----------------------------===//
#include "dialects/Onnx/Import/Formula.h"
#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/Import/MaskedRows.h"
#include "dialects/Onnx/Import/ProtoTypes.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

namespace {
template <Unary kind> LogicalResult unary(NodeContext &c) {
  return c.result(c.e.unary(kind, c.in[0]));
}
template <Binary kind> LogicalResult binary(NodeContext &c) {
  return c.result(c.e.binary(kind, c.in[0], c.in[1]));
}
template <Binary kind> LogicalResult variadic(NodeContext &c) {
  MaybeOperand joined = c.in[0];
  for (size_t i = 1; i < c.in.size() && succeeded(joined); ++i)
    joined = c.e.binary(kind, *joined, c.in[i]);
  return c.result(joined);
}

/// Fails after an error where computed integers are divided by a constant 0, at
/// which PyTorch raises an error.
LogicalResult checkDivisor(NodeContext &c) {
  const SharedTensor &divisor = c.in[1].constant;
  if (!c.in[0].constant && divisor && llvm::is_contained(divisor->ints, 0))
    return c.e.error() << c.node.opType
                       << " divides integers by the constant 0";
  return success();
}

LogicalResult divide(NodeContext &c) {
  return failed(checkDivisor(c))
             ? failure()
             : c.result(c.e.binary(Binary::Div, c.in[0], c.in[1]));
}

LogicalResult mod(NodeContext &c) {
  if (failed(checkDivisor(c)))
    return failure();
  return c.result(c.e.binary(c.integer("fmod", 0) ? Binary::FMod : Binary::Mod,
                             c.in[0], c.in[1]));
}

LogicalResult mean(NodeContext &c) {
  if (failed(variadic<Binary::Add>(c)))
    return failure();
  MaybeOperand sum = c.out.front();
  c.out.clear();
  return c.result(Formula(c.e).apply(Binary::Div, sum, double(c.in.size())));
}

/// max(a, b) + log(1 + e^-|a - b|); |a - b| is 0 where both are infinite.
MaybeOperand logAddExp(Formula &f, MaybeOperand a, MaybeOperand b) {
  MaybeOperand apart =
      f.where(f.apply(Binary::Equal, a, b), 0.0, f.apply(Binary::Sub, a, b));
  MaybeOperand rest = f.apply(Unary::Neg, f.apply(Unary::Abs, apart));
  return f.apply(Binary::Add, f.apply(Binary::Max, a, b),
                 f.apply(Unary::Softplus, rest));
}

/// Whether the node is the root of torch.std or of a norm. The exporter takes a
/// deviation apart into a variance, which may be reshaped, and its root.
bool isDeviationOrNorm(NodeContext &c) {
  CallRecord call = parseCall(c.node.fxNode);
  if (call.target == "linalg_vector_norm")
    return true;
  StringRef of = call.value(0);
  return call.target == "sqrt" &&
         (of.starts_with("var") || of.starts_with("broadcast_in_dim"));
}

/// PyTorch's deviations and norms have gradient 0 where they are 0, roots none
/// that is finite: the root of such a call never sees 0.
MaybeOperand
rootOf(NodeContext &c,
       llvm::function_ref<MaybeOperand(Formula &, MaybeOperand)> root) {
  Formula f(c.e);
  if (c.in[0].constant || !isDeviationOrNorm(c))
    return root(f, c.in[0]);
  MaybeOperand isZero = f.apply(Binary::Equal, c.in[0], 0);
  return f.where(isZero, 0.0, root(f, f.where(isZero, 1.0, c.in[0])));
}

LogicalResult squareRoot(NodeContext &c) {
  return c.result(rootOf(
      c, [](Formula &f, MaybeOperand x) { return f.apply(Unary::Sqrt, x); }));
}

/// An exponent may have another element type than the base.
LogicalResult power(NodeContext &c) {
  MaybeOperand exponent = c.e.cast(c.in[1], c.in[0].elementType());
  auto raise = [&](Formula &f, MaybeOperand x) {
    return f.apply(Binary::Pow, x, exponent);
  };
  if (failed(exponent))
    return failure();
  const SharedTensor &known = exponent->constant;
  bool isRoot = known && known->isFloat() && known->isSplat() &&
                known->asFloat(0) > 0 && known->asFloat(0) < 1;
  Formula f(c.e);
  return c.result(isRoot ? rootOf(c, raise) : raise(f, c.in[0]));
}

LogicalResult isNaN(NodeContext &c) {
  MaybeOperand test = c.e.unary(Unary::IsNaN, c.in[0]);
  if (succeeded(test) && test->value)
    c.nanTests[test->value] = c.in[0].value;
  return c.result(test);
}

LogicalResult isInf(NodeContext &c) {
  bool above = c.integer("detect_positive", 1);
  bool below = c.integer("detect_negative", 1);
  if (above && below)
    return c.result(c.e.unary(Unary::IsInf, c.in[0]));
  if (!above && !below)
    return c.result(
        Operand(Tensor::splat(c.e.builder.getI1Type(), c.in[0].shape(), 0)));
  return c.result(
      Formula(c.e).apply(Binary::Equal, c.in[0], above ? HUGE_VAL : -HUGE_VAL));
}

LogicalResult identity(NodeContext &c) {
  c.out.push_back(c.in[0]);
  return success();
}

LogicalResult castTo(NodeContext &c) {
  Type type = elementTypeOf(c.integer("to", 0), c.e.builder.getContext());
  return type ? c.result(c.e.cast(c.in[0], type)) : failure();
}

LogicalResult castLike(NodeContext &c) {
  return c.result(c.e.cast(c.in[0], c.in[1].elementType()));
}

/// Whether the softmax that gives `probabilities` can have a row of NaN from
/// finite scores: only under a mask with a row of -inf alone, a constant or one
/// that is computed from an input.
bool hasFullyMaskedRow(ConstantCache &cache, Value probabilities) {
  auto softmax = probabilities.getDefiningOp<SoftmaxOp>();
  if (!softmax)
    return true;
  llvm::SetVector<Value> parts;
  parts.insert(softmax.getX());
  for (size_t i = 0; i < parts.size(); ++i) {
    Operation *op = parts[i].getDefiningOp();
    auto constant = dyn_cast_or_null<ConstantOp>(op);
    auto mask =
        constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
    if (mask && cache.masksARow(mask))
      return true;
    if (isa_and_nonnull<WhereOp, CastOp, LogOp>(op))
      return true;
    if (isa_and_nonnull<AddOp, SubOp, MulOp, DivOp, NegOp, ReshapeOp, SliceOp,
                        ExpandOp, TransposeOp, ConcatOp>(op))
      parts.insert(op->operand_begin(), op->operand_end());
  }
  return false;
}

/// Where(IsNaN(p), 0, p) guards a softmax against rows that are masked whole.
/// PyTorch's exporter writes it for attention with a mask of bools, whose
/// hidden places are the lowest finite number then.
LogicalResult choose(NodeContext &c) {
  auto test = c.in[0].value ? c.nanTests.find(c.in[0].value) : c.nanTests.end();
  bool isGuard = test != c.nanTests.end() && test->second == c.in[2].value &&
                 c.in[1].constant && c.in[1].constant->isSplat() &&
                 c.in[1].constant->asFloat(0) == 0;
  if (!isGuard)
    return c.result(c.e.where(c.in[0], c.in[1], c.in[2]));
  auto softmax = c.in[2].value.getDefiningOp<SoftmaxOp>();
  if (softmax && isFromSdpa(c.node)) {
    auto masked = softmaxOfMasked(c.e, softmax.getX(), /*finite=*/true);
    if (failed(masked))
      return failure();
    if (*masked)
      return c.result(**masked);
  }
  if (hasFullyMaskedRow(c.e.cache, c.in[2].value))
    return c.result(c.e.where(c.in[0], c.in[1], c.in[2]));
  c.out.push_back(c.in[2]);
  return success();
}

/// Whether a value is this number in all places.
bool isNumber(Value value, double number) {
  auto constant = value.getDefiningOp<ConstantOp>();
  auto elements =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  std::optional<Tensor> tensor;
  if (elements && elements.isSplat())
    tensor = toTensor(elements);
  return tensor && tensor->asFloat(0) == number;
}

/// Whether two values are one, or equal constants.
bool areSame(Value a, Value b) {
  auto constantA = a.getDefiningOp<ConstantOp>(),
       constantB = b.getDefiningOp<ConstantOp>();
  return a == b || (constantA && constantB &&
                    constantA.getValue() == constantB.getValue());
}

/// The logarithm of a sigmoid, of 1 + x and of e^a + e^b, as PyTorch computes
/// them: the exporter writes each in parts, which overflow or lose the digits
/// of a small x.
LogicalResult logarithm(NodeContext &c) {
  Formula f(c.e);
  Operation *inner = c.in[0].value ? c.in[0].value.getDefiningOp() : nullptr;
  if (auto sigmoid = dyn_cast_or_null<SigmoidOp>(inner)) {
    MaybeOperand x = Operand(sigmoid.getX());
    return c.result(
        f.apply(Unary::Neg, f.apply(Unary::Softplus, f.apply(Unary::Neg, x))));
  }
  std::string target = parseCall(c.node.fxNode).target;
  auto sum = dyn_cast_or_null<AddOp>(inner);
  if (sum && target == "log1p" && isNumber(sum.getRhs(), 1))
    return c.result(f.apply(Unary::Log1p, Operand(sum.getLhs())));
  if (sum && target == "logaddexp") {
    auto a = sum.getLhs().getDefiningOp<ExpOp>(),
         b = sum.getRhs().getDefiningOp<ExpOp>();
    if (a && b)
      return c.result(logAddExp(f, Operand(a.getX()), Operand(b.getX())));
  }
  return c.result(f.apply(Unary::Log, c.in[0]));
}

/// e^x - 1 and remainders, which the exporter writes in parts as well: a
/// quotient that is rounded up to a whole number would make a remainder of
/// almost y the one of 0.
LogicalResult difference(NodeContext &c) {
  std::string target = parseCall(c.node.fxNode).target;
  auto before = [](const Operand &x) {
    return x.value ? x.value.getDefiningOp() : nullptr;
  };
  auto exp = dyn_cast_or_null<ExpOp>(before(c.in[0]));
  if (exp && target == "expm1")
    return c.result(c.e.unary(Unary::Expm1, Operand(exp.getX())));
  auto multiple = dyn_cast_or_null<MulOp>(before(c.in[1]));
  auto floor = multiple ? multiple.getLhs().getDefiningOp<FloorOp>() : nullptr;
  auto quotient = floor ? floor.getX().getDefiningOp<DivOp>() : nullptr;
  if (quotient && target == "remainder" &&
      areSame(quotient.getLhs(), c.in[0].value) &&
      areSame(quotient.getRhs(), multiple.getRhs()))
    return c.result(c.e.binary(Binary::Mod, Operand(quotient.getLhs()),
                               Operand(quotient.getRhs())));
  return c.result(c.e.binary(Binary::Sub, c.in[0], c.in[1]));
}
/// PyTorch's quotient that is rounded down, `x // z`: what is left after the
/// multiples of z, over z. The exporter rounds x / z down, which is one too
/// many where that was rounded up to a whole number. Its gradient is 0, also
/// where z is (-0 is taken for 0).
LogicalResult roundDown(NodeContext &c) {
  CallRecord call = parseCall(c.node.fxNode);
  auto quotient =
      c.in[0].value ? c.in[0].value.getDefiningOp<DivOp>() : DivOp();
  if (!quotient || (call.target != "floor_divide" && call.target != "div"))
    return c.result(c.e.unary(Unary::Floor, c.in[0]));
  Formula f(c.e);
  Operand x(quotient.getLhs());
  MaybeOperand z = Operand(quotient.getRhs());
  MaybeOperand isZero = f.apply(Binary::Equal, z, 0),
               infinite =
                   f.apply(Binary::Mul, f.apply(Unary::Sign, x), HUGE_VAL);
  z = f.where(isZero, 1.0, z);
  MaybeOperand rest = f.apply(Binary::FMod, x, z);
  MaybeOperand whole = f.apply(Binary::Div, f.apply(Binary::Sub, x, rest), z);
  MaybeOperand isBeyond =
      f.apply(Binary::And, f.apply(Unary::Not, f.apply(Binary::Equal, rest, 0)),
              f.apply(Binary::Xor, f.apply(Binary::Less, rest, 0),
                      f.apply(Binary::Less, z, 0)));
  whole = f.where(isBeyond, f.apply(Binary::Sub, whole, 1), whole);
  MaybeOperand down = f.apply(Unary::Floor, whole);
  MaybeOperand isAbove =
      f.apply(Binary::Greater, f.apply(Binary::Sub, whole, down), 0.5);
  down = f.where(isAbove, f.apply(Binary::Add, down, 1), down);
  return c.result(f.where(isZero, infinite, down));
}
} // namespace

void fsdp::onnx::addMathHandlers(HandlerTable &table) {
#define HANDLE(KIND) table[#KIND] = unary<Unary::KIND>;
  FSDP_ONNX_UNARY(HANDLE)
#undef HANDLE
  // What is an op here and none of ONNX.
  table.erase("Expm1");
  table.erase("Log1p");
  table["Floor"] = roundDown;
  table["Sqrt"] = squareRoot;
  table["Log"] = logarithm;
  table["IsInf"] = isInf;
  table["IsNaN"] = isNaN;
  table["Add"] = binary<Binary::Add>;
  table["Sub"] = difference;
  table["Mul"] = binary<Binary::Mul>;
  table["Div"] = divide;
  table["Pow"] = power;
  table["Mod"] = mod;
  table["And"] = binary<Binary::And>;
  table["Or"] = binary<Binary::Or>;
  table["Xor"] = binary<Binary::Xor>;
  table["Equal"] = binary<Binary::Equal>;
  table["Less"] = binary<Binary::Less>;
  table["LessOrEqual"] = binary<Binary::LessOrEqual>;
  table["Greater"] = binary<Binary::Greater>;
  table["GreaterOrEqual"] = binary<Binary::GreaterOrEqual>;
  table["Max"] = variadic<Binary::Max>;
  table["Min"] = variadic<Binary::Min>;
  table["Sum"] = variadic<Binary::Add>;
  table["Mean"] = mean;
  table["Where"] = choose;
  table["Identity"] = identity;
  table["Cast"] = castTo;
  table["CastLike"] = castLike;
}
