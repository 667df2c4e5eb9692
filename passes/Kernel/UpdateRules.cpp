//===- UpdateRules.cpp - What an optimizer makes of an element ------------===//
//
// The order of operations is torch's (Lion's, its authors'), so that results
// agree to rounding.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/UpdateRules.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp;

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

/// 1 - beta^t for a whole number t held in a float, in f64, by squaring.
static Value emitBiasCorrection(Emitter &e, double beta, Value t) {
  Type f64 = e.b.getF64Type(), i64 = e.b.getI64Type();
  Value one = e.number(f64, 1), oneInt = e.number(i64, 1);
  Value steps = e.b.create<arith::FPToSIOp>(e.loc, i64, t);
  auto bits = e.b.create<scf::ForOp>(
      e.loc, e.index(0), e.index(32), e.index(1),
      ValueRange{one, e.number(f64, beta), steps},
      [&](OpBuilder &b, Location loc, Value, ValueRange carried) {
        Value odd = b.create<arith::CmpIOp>(
            loc, arith::CmpIPredicate::ne,
            b.create<arith::AndIOp>(loc, carried[2], oneInt),
            b.create<arith::ConstantOp>(loc, b.getI64IntegerAttr(0)));
        Value product = b.create<arith::MulFOp>(loc, carried[0], carried[1]);
        Value power = b.create<arith::SelectOp>(loc, odd, product, carried[0]);
        Value square = b.create<arith::MulFOp>(loc, carried[1], carried[1]);
        Value rest = b.create<arith::ShRUIOp>(loc, carried[2], oneInt);
        b.create<scf::YieldOp>(loc, ValueRange{power, square, rest});
      });
  return e.sub(one, bits.getResult(0));
}

Value UpdateScalars::lrOf(train::OptimizerRule rule) {
  Type f64 = e.b.getF64Type();
  Value wide = Emitter::convert(e.b, e.loc, lr, f64);
  double scale = rule.getNumber("lr");
  return scale == 1 ? wide : e.mul(wide, e.number(f64, scale));
}

Value UpdateScalars::stepInF64() {
  return Emitter::convert(e.b, e.loc, step, e.b.getF64Type());
}

Value UpdateScalars::biasCorrection(double beta) {
  Value &known = corrections[beta];
  if (!known)
    known = emitBiasCorrection(e, beta, step);
  return known;
}

Value UpdateScalars::narrow(Value value) {
  return Emitter::convert(e.b, e.loc, value, type);
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

namespace {
/// arith in short, at one element.
struct Element {
  OpBuilder &b;
  Location loc;

  Value add(Value x, Value y) { return b.create<arith::AddFOp>(loc, x, y); }
  Value sub(Value x, Value y) { return b.create<arith::SubFOp>(loc, x, y); }
  Value mul(Value x, Value y) { return b.create<arith::MulFOp>(loc, x, y); }
  Value div(Value x, Value y) { return b.create<arith::DivFOp>(loc, x, y); }
  Value sqrt(Value x) { return b.create<math::SqrtOp>(loc, x); }
};

/// 1 - lr decay. Not folded where nothing decays: whether products are fused
/// with sums, and so bits, does not depend on it.
Value shrinkage(train::OptimizerRule rule, UpdateScalars &s) {
  Type f64 = s.e.b.getF64Type();
  Value rate = s.e.number(f64, rule.getNumber("weight_decay"));
  return s.narrow(s.e.sub(s.e.number(f64, 1), s.e.mul(s.lrOf(rule), rate)));
}

/// The gradient with the decay of the parameter, where it has one.
std::function<Value(Element, Value, Value)>
decayedGradient(train::OptimizerRule rule, UpdateScalars &s) {
  if (!s.decays)
    return [](Element, Value, Value gradient) { return gradient; };
  Value rate = s.e.number(s.type, rule.getNumber("weight_decay"));
  return [=](Element at, Value p, Value gradient) {
    return at.add(gradient, at.mul(rate, p));
  };
}

/// torch.lerp(x, y, 1 - keep): from the nearer end, so that keep = 0 is y.
std::function<Value(Element, Value, Value)> interpolation(double keep,
                                                          UpdateScalars &s) {
  double share = s.type.isF64() ? 1 - keep : double(float(1 - keep));
  Value near = s.e.number(s.type, share), far = s.e.number(s.type, 1 - share);
  return [=](Element at, Value x, Value y) {
    Value way = at.sub(y, x);
    return share < 0.5 ? at.add(x, at.mul(near, way))
                       : at.sub(y, at.mul(far, way));
  };
}

/// Of the moments m and v with bias correction: what `from` - step size
/// m / (sqrt(v) / root + eps) is, and the moments.
ElementUpdate emitMoments(train::OptimizerRule rule, UpdateScalars &s) {
  Emitter &e = s.e;
  double beta1 = rule.getNumber("beta1"), beta2 = rule.getNumber("beta2");
  Value lr = s.lrOf(rule);
  Value correction1 = s.biasCorrection(beta1);
  Value correction2 = s.biasCorrection(beta2);
  Value stepSize = s.narrow(e.div(lr, correction1));
  Value root2 =
      s.narrow(e.b.create<math::SqrtOp>(e.loc, correction2).getResult());
  auto towards = interpolation(beta1, s);
  Value keep2 = e.number(s.type, beta2);
  Value b2 = e.number(s.type, 1 - beta2);
  Value eps = e.number(s.type, rule.getNumber("eps"));
  return [=](OpBuilder &b, Location loc, Value from, Value g,
             ValueRange states) -> SmallVector<Value> {
    Element at{b, loc};
    Value m = towards(at, states[0], g);
    Value v = at.add(at.mul(states[1], keep2), at.mul(at.mul(b2, g), g));
    Value denominator = at.add(at.div(at.sqrt(v), root2), eps);
    return {at.sub(from, at.div(at.mul(stepSize, m), denominator)), m, v};
  };
}

ElementUpdate emitAdamW(train::OptimizerRule rule, UpdateScalars &s) {
  Value shrink = shrinkage(rule, s);
  ElementUpdate moments = emitMoments(rule, s);
  return [=](OpBuilder &b, Location loc, Value p, Value g, ValueRange states) {
    return moments(b, loc, Element{b, loc}.mul(p, shrink), g, states);
  };
}

ElementUpdate emitAdam(train::OptimizerRule rule, UpdateScalars &s) {
  auto decayed = decayedGradient(rule, s);
  ElementUpdate moments = emitMoments(rule, s);
  return [=](OpBuilder &b, Location loc, Value p, Value g, ValueRange states) {
    return moments(b, loc, p, decayed({b, loc}, p, g), states);
  };
}

/// What something new counts: in the first step 1, then `share`.
Value wholeAtFirst(UpdateScalars &s, double share) {
  Emitter &e = s.e;
  Value isFirst =
      e.b.create<arith::CmpFOp>(e.loc, arith::CmpFPredicate::OLE, s.stepInF64(),
                                e.number(e.b.getF64Type(), 1));
  return e.b.create<arith::SelectOp>(e.loc, isFirst, e.number(s.type, 1),
                                     e.number(s.type, share));
}

ElementUpdate emitSgd(train::OptimizerRule rule, UpdateScalars &s) {
  Value lr = s.narrow(s.lrOf(rule));
  Value momentum = s.e.number(s.type, rule.getNumber("momentum"));
  bool nesterov = rule.getNumber("nesterov") != 0;
  auto decayed = decayedGradient(rule, s);
  Value share; // of the new gradient in the momentum; null: it is 1
  if (rule.readsStep())
    share = wholeAtFirst(s, 1 - rule.getNumber("dampening"));
  return [=](OpBuilder &b, Location loc, Value p, Value gradient,
             ValueRange states) -> SmallVector<Value> {
    Element at{b, loc};
    Value g = decayed(at, p, gradient);
    if (states.empty())
      return {at.sub(p, at.mul(lr, g))};
    Value buffer =
        at.add(share ? at.mul(share, g) : g, at.mul(momentum, states[0]));
    Value direction = nesterov ? at.add(g, at.mul(momentum, buffer)) : buffer;
    return {at.sub(p, at.mul(lr, direction)), buffer};
  };
}

ElementUpdate emitAdagrad(train::OptimizerRule rule, UpdateScalars &s) {
  Emitter &e = s.e;
  Type f64 = e.b.getF64Type();
  Value lr = s.lrOf(rule);
  if (rule.readsStep()) {
    Value before = e.sub(s.stepInF64(), e.number(f64, 1));
    Value slower = e.mul(before, e.number(f64, rule.getNumber("lr_decay")));
    lr = e.div(lr, e.add(e.number(f64, 1), slower));
  }
  lr = s.narrow(lr);
  Value eps = e.number(s.type, rule.getNumber("eps"));
  auto decayed = decayedGradient(rule, s);
  return [=](OpBuilder &b, Location loc, Value p, Value gradient,
             ValueRange states) -> SmallVector<Value> {
    Element at{b, loc};
    Value g = decayed(at, p, gradient);
    Value sum = at.add(states[0], at.mul(g, g));
    Value step = at.div(at.mul(lr, g), at.add(at.sqrt(sum), eps));
    return {at.sub(p, step), sum};
  };
}

/// -1, 0 or 1.
Value signOf(Element at, Value x, Type type) {
  auto number = [&](double value) -> Value {
    return at.b.create<arith::ConstantOp>(at.loc,
                                          at.b.getFloatAttr(type, value));
  };
  Value zero = number(0);
  auto is = [&](arith::CmpFPredicate predicate) -> Value {
    return at.b.create<arith::CmpFOp>(at.loc, predicate, x, zero);
  };
  Value below = at.b.create<arith::SelectOp>(
      at.loc, is(arith::CmpFPredicate::OLT), number(-1), zero);
  return at.b.create<arith::SelectOp>(at.loc, is(arith::CmpFPredicate::OGT),
                                      number(1), below);
}

ElementUpdate emitLion(train::OptimizerRule rule, UpdateScalars &s) {
  Value lr = s.narrow(s.lrOf(rule)), shrink = shrinkage(rule, s);
  auto number = [&](double value) { return s.e.number(s.type, value); };
  double beta1 = rule.getNumber("beta1"), beta2 = rule.getNumber("beta2");
  Value keep1 = number(beta1), b1 = number(1 - beta1);
  Value keep2 = number(beta2), b2 = number(1 - beta2);
  Type type = s.type;
  return [=](OpBuilder &b, Location loc, Value p, Value g,
             ValueRange states) -> SmallVector<Value> {
    Element at{b, loc};
    Value mixed = at.add(at.mul(states[0], keep1), at.mul(g, b1));
    Value step = at.mul(lr, signOf(at, mixed, type));
    Value m = at.add(at.mul(states[0], keep2), at.mul(g, b2));
    return {at.sub(at.mul(p, shrink), step), m};
  };
}

ElementUpdate emitAdafactor(train::OptimizerRule rule, UpdateScalars &s) {
  Value shrink = shrinkage(rule, s), size = s.narrow(s.stepSize);
  return [=](OpBuilder &b, Location loc, Value p, Value update,
             ValueRange) -> SmallVector<Value> {
    Element at{b, loc};
    return {at.sub(at.mul(p, shrink), at.mul(size, update))};
  };
}

/// The average is 0 before the first step, and p after it.
ElementUpdate emitAveraged(train::AveragedAttr rule, UpdateScalars &s) {
  ElementUpdate update = emitUpdateRule(rule.getRule(), s);
  Value share = wholeAtFirst(s, 1 - rule.getAverageDecay());
  return [=](OpBuilder &b, Location loc, Value p, Value g, ValueRange states) {
    Element at{b, loc};
    Value average = states.back();
    SmallVector<Value> results = update(b, loc, p, g, states.drop_back());
    Value far = at.sub(results.front(), average);
    results.push_back(at.add(average, at.mul(share, far)));
    return results;
  };
}
} // namespace

ElementUpdate fsdp::emitUpdateRule(train::OptimizerRule rule,
                                   UpdateScalars &s) {
  return llvm::TypeSwitch<Attribute, ElementUpdate>(rule)
      .Case([&](train::AdamWAttr) { return emitAdamW(rule, s); })
      .Case([&](train::AdamAttr) { return emitAdam(rule, s); })
      .Case([&](train::SgdAttr) { return emitSgd(rule, s); })
      .Case([&](train::AdagradAttr) { return emitAdagrad(rule, s); })
      .Case([&](train::LionAttr) { return emitLion(rule, s); })
      .Case([&](train::AdafactorAttr) { return emitAdafactor(rule, s); })
      .Case([&](train::AveragedAttr averaged) {
        return emitAveraged(averaged, s);
      })
      .Case([&](train::RoundedAttr rounded) {
        return emitUpdateRule(rounded.getRule(), s);
      });
}
