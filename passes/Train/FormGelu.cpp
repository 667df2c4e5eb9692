//===- FormGelu.cpp - Products around a tanh or erf into a GELU -----------===//
//
//   %c = onnx.pow %x, 3
//   %k = onnx.mul %c, 0.044715
//   %i = onnx.add %x, %k
//   %u = onnx.mul %i, 0.797884583
//   %t = onnx.tanh %u
//   %o = onnx.add %t, 1
//   %h = onnx.mul %x, 0.5
//   %y = onnx.mul %h, %o
// becomes
//   %y = onnx.gelu %x {tanh}
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Values.h"
#include "passes/Train/Form.h"
#include "passes/Train/Passes.h"

#include <cmath>

namespace fsdp {
#define GEN_PASS_DEF_TRAINFORMGELU
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// A product taken apart: its constants, multiplied, and its other factors, a
/// whole power being as many. Only products for one reader are: others stay.
struct Product {
  double number = 1;
  SmallVector<Value> factors;

  void multiply(Value value) {
    if (std::optional<double> constant = numberOf(value))
      number *= *constant;
    else if (value.hasOneUse())
      multiplyParts(value);
    else
      factors.push_back(value);
  }

  void multiplyParts(Value value) {
    auto product = value.getDefiningOp<onnx::MulOp>();
    auto quotient = value.getDefiningOp<onnx::DivOp>();
    auto power = value.getDefiningOp<onnx::PowOp>();
    auto second = [](Operation *op) { return numberOf(op->getOperand(1)); };
    if (product) {
      multiply(product.getLhs());
      multiply(product.getRhs());
    } else if (quotient && second(quotient)) {
      multiply(quotient.getLhs());
      number /= *second(quotient);
    } else if (power && (second(power) == 2 || second(power) == 3)) {
      factors.append(size_t(*second(power)), power.getLhs());
    } else {
      factors.push_back(value);
    }
  }

  /// Whether this is `expected`, as f32 has it, times `x` to the `power`.
  bool is(double expected, Value x, size_t power = 1) const {
    return std::abs(number - expected) <= 1e-6 * expected &&
           factors.size() == power && llvm::all_equal(factors) &&
           factors[0] == x;
  }
};

Product productOf(Value value) {
  Product product;
  product.multiply(value);
  return product;
}

/// Whether `value`, for one reader, is `a` + `b` where isA(a) and isB(b).
bool isSum(Value value, llvm::function_ref<bool(Value)> isA,
           llvm::function_ref<bool(Value)> isB) {
  auto sum = onlyUseOf<onnx::AddOp>(value);
  return sum && ((isA(sum.getLhs()) && isB(sum.getRhs())) ||
                 (isA(sum.getRhs()) && isB(sum.getLhs())));
}

bool isErf(Value value, Value x) {
  auto erf = onlyUseOf<onnx::ErfOp>(value);
  return erf && productOf(erf.getX()).is(M_SQRT1_2, x);
}

bool isOne(Value value) { return numberOf(value) == 1; }

/// tanh(sqrt(2 / pi) (x + 0.044715 x^3)), x perhaps before the bracket.
bool isTanh(Value value, Value x) {
  auto tanh = onlyUseOf<onnx::TanhOp>(value);
  if (!tanh)
    return false;
  Product inner = productOf(tanh.getX());
  auto found = llvm::find(inner.factors, x);
  bool isOutside = found != inner.factors.end();
  if (isOutside)
    inner.factors.erase(found);
  return inner.factors.size() == 1 &&
         inner.is(std::sqrt(2 / M_PI), inner.factors[0]) &&
         isSum(
             inner.factors[0],
             [&](Value term) { return isOutside ? isOne(term) : term == x; },
             [&](Value term) {
               return productOf(term).is(0.044715, x, isOutside ? 2 : 3);
             });
}

/// Replaces `op` where it is x / 2 (1 + erf(...)) or x / 2 (1 + tanh(...)).
bool form(onnx::MulOp op) {
  Product product;
  product.multiplyParts(op);
  if (product.number != 0.5 || product.factors.size() != 2)
    return false;
  for (unsigned i : {0, 1}) {
    Value x = product.factors[i], sum = product.factors[1 - i];
    if (x.getType() != op.getType())
      continue;
    bool tanh = isSum(sum, isOne, [&](Value v) { return isTanh(v, x); });
    if (!tanh && !isSum(sum, isOne, [&](Value v) { return isErf(v, x); }))
      continue;
    OpBuilder builder(op);
    op.getResult().replaceAllUsesWith(builder.create<onnx::GeluOp>(
        op.getLoc(), x.getType(), x, tanh, op.getScope()));
    return true;
  }
  return false;
}

struct FormGelu : public fsdp::impl::TrainFormGeluBase<FormGelu> {
  using TrainFormGeluBase::TrainFormGeluBase;

  void runOnOperation() override {
    formOps<onnx::MulOp>(getOperation(), [&](onnx::MulOp op) {
      bool formed = form(op);
      numFormed += formed;
      return formed;
    });
  }
};
} // namespace
