//===- MathImport.cpp - Elementwise operators -----------------------------===//
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

LogicalResult mod(NodeContext &c) {
  return c.result(c.e.binary(c.integer("fmod", 0) ? Binary::FMod : Binary::Mod,
                             c.in[0], c.in[1]));
}

/// An exponent may have another element type than the base.
LogicalResult power(NodeContext &c) {
  MaybeOperand exponent = c.e.cast(c.in[1], c.in[0].elementType());
  if (failed(exponent))
    return failure();
  return c.result(c.e.binary(Binary::Pow, c.in[0], *exponent));
}

LogicalResult isNaN(NodeContext &c) {
  if (c.in[0].constant)
    return c.result(c.e.unary(Unary::IsNaN, c.in[0]));
  // Kept only where it is more than a softmax's guard (see choose).
  auto type = RankedTensorType::get(c.in[0].shape(), c.e.builder.getI1Type());
  Value test = c.keepNode(type).front();
  c.nanTests[test] = c.in[0].value;
  c.out.push_back(test);
  return success();
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
/// finite scores: only under a mask with a row of -inf alone.
bool hasFullyMaskedRow(ConstantCache &cache, Value probabilities) {
  auto softmax = probabilities.getDefiningOp<SoftmaxOp>();
  if (!softmax)
    return true;
  auto add = softmax.getX().getDefiningOp<AddOp>();
  if (!add)
    return softmax.getX().getDefiningOp<WhereOp>() != nullptr;
  for (Value operand : add->getOperands()) {
    auto constant = operand.getDefiningOp<ConstantOp>();
    if (auto mask = constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                             : nullptr)
      return cache.masksARow(mask);
  }
  // A mask that is computed from an input may mask anything.
  for (Value operand : add->getOperands())
    if (operand.getDefiningOp<WhereOp>() || operand.getDefiningOp<CastOp>())
      return true;
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

LogicalResult clip(NodeContext &c) {
  MaybeOperand x = c.in[0];
  auto bound = [&](unsigned i, const char *name) -> std::optional<Operand> {
    if (c.has(i))
      return c.in[i];
    if (c.attribute(name))
      return c.e.scalarLike(c.in[0], c.real(name, 0));
    return std::nullopt;
  };
  // By selection, not max and min: at a bound torch passes the whole gradient.
  auto cut = [&](Binary beyond, const Operand &limit) -> MaybeOperand {
    MaybeOperand isBeyond = c.e.binary(beyond, *x, limit);
    if (failed(isBeyond))
      return failure();
    return c.e.where(*isBeyond, limit, *x);
  };
  if (auto low = bound(1, "min"))
    x = cut(Binary::Less, *low);
  if (auto high = bound(2, "max"); high && succeeded(x))
    x = cut(Binary::Greater, *high);
  return c.result(x);
}

LogicalResult gelu(NodeContext &c) {
  std::string form = c.text("approximate", "none");
  if (form != "none" && form != "tanh")
    return failure();
  SmallVector<NamedAttribute> attributes;
  if (form == "tanh")
    attributes.push_back(c.e.flag("tanh"));
  auto values = c.e.build<GeluOp>(c.e.materialize(c.in[0]), attributes);
  if (failed(values))
    return failure();
  return c.result(Operand(values->front()));
}

/// x sigmoid(alpha x).
LogicalResult swish(NodeContext &c) {
  MaybeOperand scaled = c.e.binary(
      Binary::Mul, c.in[0], c.e.scalarLike(c.in[0], c.real("alpha", 1.0)));
  if (failed(scaled))
    return failure();
  MaybeOperand gate = c.e.unary(Unary::Sigmoid, *scaled);
  if (failed(gate))
    return failure();
  return c.result(c.e.binary(Binary::Mul, c.in[0], *gate));
}

/// max(0, min(1, alpha x + beta)), and x times it.
MaybeOperand hardSigmoidOf(NodeContext &c, double alpha, double beta) {
  const Operand &x = c.in[0];
  MaybeOperand y = c.e.binary(Binary::Mul, x, c.e.scalarLike(x, alpha));
  if (succeeded(y))
    y = c.e.binary(Binary::Add, *y, c.e.scalarLike(x, beta));
  if (succeeded(y))
    y = c.e.binary(Binary::Min, *y, c.e.scalarLike(x, 1));
  if (succeeded(y))
    y = c.e.binary(Binary::Max, *y, c.e.scalarLike(x, 0));
  return y;
}

LogicalResult hardSigmoid(NodeContext &c) {
  return c.result(hardSigmoidOf(c, c.real("alpha", 0.2), c.real("beta", 0.5)));
}

LogicalResult hardSwish(NodeContext &c) {
  MaybeOperand gate = hardSigmoidOf(c, 1.0 / 6.0, 0.5);
  if (failed(gate))
    return failure();
  return c.result(c.e.binary(Binary::Mul, c.in[0], *gate));
}

LogicalResult leakyRelu(NodeContext &c) {
  const Operand &x = c.in[0];
  MaybeOperand below = c.e.binary(Binary::Less, x, c.e.scalarLike(x, 0));
  MaybeOperand scaled =
      c.e.binary(Binary::Mul, x, c.e.scalarLike(x, c.real("alpha", 0.01)));
  if (failed(below) || failed(scaled))
    return failure();
  return c.result(c.e.where(*below, *scaled, x));
}

/// max(x, 0) + log(1 + e^-|x|), which does not overflow.
LogicalResult softplus(NodeContext &c) {
  const Operand &x = c.in[0];
  MaybeOperand y = c.e.unary(Unary::Abs, x);
  for (Unary step : {Unary::Neg, Unary::Exp})
    if (succeeded(y))
      y = c.e.unary(step, *y);
  if (succeeded(y))
    y = c.e.binary(Binary::Add, *y, c.e.scalarLike(x, 1));
  if (succeeded(y))
    y = c.e.unary(Unary::Log, *y);
  MaybeOperand positive = c.e.unary(Unary::Relu, x);
  if (failed(y) || failed(positive))
    return failure();
  return c.result(c.e.binary(Binary::Add, *positive, *y));
}
} // namespace

void fsdp::onnx::addMathHandlers(HandlerTable &table) {
  table["Neg"] = unary<Unary::Neg>;
  table["Abs"] = unary<Unary::Abs>;
  table["Exp"] = unary<Unary::Exp>;
  table["Log"] = unary<Unary::Log>;
  table["Sqrt"] = unary<Unary::Sqrt>;
  table["Reciprocal"] = unary<Unary::Reciprocal>;
  table["Sin"] = unary<Unary::Sin>;
  table["Cos"] = unary<Unary::Cos>;
  table["Tanh"] = unary<Unary::Tanh>;
  table["Sigmoid"] = unary<Unary::Sigmoid>;
  table["Erf"] = unary<Unary::Erf>;
  table["Relu"] = unary<Unary::Relu>;
  table["Not"] = unary<Unary::Not>;
  table["Floor"] = unary<Unary::Floor>;
  table["Ceil"] = unary<Unary::Ceil>;
  table["Round"] = unary<Unary::Round>;
  table["Sign"] = unary<Unary::Sign>;
  table["IsInf"] = unary<Unary::IsInf>;
  table["IsNaN"] = isNaN;
  table["Add"] = binary<Binary::Add>;
  table["Sub"] = binary<Binary::Sub>;
  table["Mul"] = binary<Binary::Mul>;
  table["Div"] = binary<Binary::Div>;
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
  table["Where"] = choose;
  table["Identity"] = identity;
  table["Cast"] = castTo;
  table["CastLike"] = castLike;
  table["Clip"] = clip;
  table["Gelu"] = gelu;
  table["Swish"] = swish;
  table["HardSigmoid"] = hardSigmoid;
  table["HardSwish"] = hardSwish;
  table["LeakyRelu"] = leakyRelu;
  table["Softplus"] = softplus;
}
