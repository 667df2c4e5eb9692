//===- ActivationImport.cpp - Activations, as elementwise formulas --------===//
//
// At a kink each is written so that its gradient is the one PyTorch takes: the
// branch that a point belongs to is chosen by comparison, never by max or min,
// whose ties share the gradient.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Formula.h"
#include "dialects/Onnx/Import/Handlers.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// x where x > 0, else alpha (e^(x / scale) - 1). The exponential never sees
/// x > 0: where it is infinite, 0 times it would be the gradient.
MaybeOperand eluOf(NodeContext &c, double alpha, double scale) {
  Formula f(c.e);
  const Operand &x = c.in[0];
  MaybeOperand isAbove = f.apply(Binary::Greater, x, 0);
  MaybeOperand below = f.where(isAbove, 0.0, x);
  if (scale != 1)
    below = f.apply(Binary::Div, below, scale);
  below = f.apply(Binary::Mul, f.apply(Unary::Expm1, below), alpha);
  return f.where(isAbove, x, below);
}

LogicalResult elu(NodeContext &c) {
  return c.result(eluOf(c, c.real("alpha", 1), 1));
}

LogicalResult celu(NodeContext &c) {
  double alpha = c.real("alpha", 1);
  return c.result(eluOf(c, alpha, alpha));
}

/// The constants of arXiv 1706.02515; ONNX's are these in f32.
LogicalResult selu(NodeContext &c) {
  MaybeOperand y = eluOf(c, c.real("alpha", 1.6732632423543772), 1);
  return c.result(
      Formula(c.e).apply(Binary::Mul, y, c.real("gamma", 1.0507009873554805)));
}

LogicalResult mish(NodeContext &c) {
  Formula f(c.e);
  MaybeOperand gate = f.apply(Unary::Tanh, f.apply(Unary::Softplus, c.in[0]));
  return c.result(f.apply(Binary::Mul, c.in[0], gate));
}

LogicalResult softsign(NodeContext &c) {
  Formula f(c.e);
  MaybeOperand size = f.apply(Binary::Add, f.apply(Unary::Abs, c.in[0]), 1);
  return c.result(f.apply(Binary::Div, c.in[0], size));
}

/// x where x > 0, else slope x.
MaybeOperand leakyOf(NodeContext &c, const Operand &slope) {
  Formula f(c.e);
  const Operand &x = c.in[0];
  return f.where(f.apply(Binary::Greater, x, 0), x,
                 f.apply(Binary::Mul, x, MaybeOperand(slope)));
}

LogicalResult leakyRelu(NodeContext &c) {
  return c.result(leakyOf(c, c.e.scalarLike(c.in[0], c.real("alpha", 0.01))));
}

/// The slope, a parameter, is broadcast to x and never the other way.
LogicalResult pRelu(NodeContext &c) {
  auto joined = broadcastShapes(c.in[0].shape(), c.in[1].shape());
  if (failed(joined) || ArrayRef<int64_t>(*joined) != c.in[0].shape())
    return c.e.error() << "PRelu has a slope of " << c.in[1].type()
                       << ", which does not broadcast to " << c.in[0].type();
  return c.result(leakyOf(c, c.in[1]));
}

LogicalResult thresholdedRelu(NodeContext &c) {
  Formula f(c.e);
  return c.result(f.where(f.apply(Binary::Greater, c.in[0], c.real("alpha", 1)),
                          c.in[0], 0.0));
}

/// x + bias below -lambd, x - bias above lambd, else 0.
LogicalResult shrink(NodeContext &c) {
  Formula f(c.e);
  const Operand &x = c.in[0];
  double lambd = c.real("lambd", 0.5), bias = c.real("bias", 0);
  MaybeOperand above = f.where(f.apply(Binary::Greater, x, lambd),
                               f.apply(Binary::Sub, x, bias), 0.0);
  return c.result(f.where(f.apply(Binary::Less, x, -lambd),
                          f.apply(Binary::Add, x, bias), above));
}

/// y cut to [low, high], without gradient from the bounds on.
MaybeOperand cut(Formula &f, MaybeOperand y, double low, double high) {
  y = f.where(f.apply(Binary::LessOrEqual, y, low), low, y);
  return f.where(f.apply(Binary::GreaterOrEqual, y, high), high, y);
}

LogicalResult hardSigmoid(NodeContext &c) {
  Formula f(c.e);
  MaybeOperand y = f.apply(Binary::Mul, c.in[0], c.real("alpha", 0.2));
  return c.result(cut(f, f.apply(Binary::Add, y, c.real("beta", 0.5)), 0, 1));
}

/// 0 up to -3, x from 3 on, between them x (x + 3) / 6.
LogicalResult hardSwish(NodeContext &c) {
  Formula f(c.e);
  const Operand &x = c.in[0];
  MaybeOperand gate = f.apply(Binary::Div, f.apply(Binary::Add, x, 3), 6);
  MaybeOperand y = f.apply(Binary::Mul, x, gate);
  y = f.where(f.apply(Binary::GreaterOrEqual, x, 3), x, y);
  return c.result(f.where(f.apply(Binary::LessOrEqual, x, -3), 0.0, y));
}

/// x sigmoid(alpha x).
LogicalResult swish(NodeContext &c) {
  Formula f(c.e);
  MaybeOperand scaled = f.apply(Binary::Mul, c.in[0], c.real("alpha", 1));
  return c.result(
      f.apply(Binary::Mul, c.in[0], f.apply(Unary::Sigmoid, scaled)));
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

/// Bounds that are numbers have no gradient, nor has x on them or beyond
/// (torch.clamp); with tensors as bounds torch takes a maximum and a minimum,
/// whose ties share it.
LogicalResult clip(NodeContext &c) {
  Formula f(c.e);
  bool hasTensors = parseCall(c.node.fxNode).values().size() > 1;
  auto bound = [&](unsigned i, const char *name) -> std::optional<Operand> {
    if (c.has(i))
      return c.in[i];
    if (c.attribute(name))
      return c.e.scalarLike(c.in[0], c.real(name, 0));
    return std::nullopt;
  };
  auto limit = [&](MaybeOperand x, const Operand &by, Binary choice,
                   Binary isBeyond) {
    if (hasTensors || !by.constant)
      return f.apply(choice, x, MaybeOperand(by));
    return f.where(f.apply(isBeyond, x, MaybeOperand(by)), MaybeOperand(by), x);
  };
  MaybeOperand x = c.in[0];
  if (auto low = bound(1, "min"))
    x = limit(x, *low, Binary::Max, Binary::LessOrEqual);
  if (auto high = bound(2, "max"))
    x = limit(x, *high, Binary::Min, Binary::GreaterOrEqual);
  return c.result(x);
}
} // namespace

void fsdp::onnx::addActivationHandlers(HandlerTable &table) {
  table["Elu"] = elu;
  table["Celu"] = celu;
  table["Selu"] = selu;
  table["Mish"] = mish;
  table["Softsign"] = softsign;
  table["LeakyRelu"] = leakyRelu;
  table["PRelu"] = pRelu;
  table["ThresholdedRelu"] = thresholdedRelu;
  table["Shrink"] = shrink;
  table["HardSigmoid"] = hardSigmoid;
  table["HardSwish"] = hardSwish;
  table["Swish"] = swish;
  table["Gelu"] = gelu;
  table["Clip"] = clip;
}
