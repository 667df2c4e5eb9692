//===- Evaluate.cpp - Elementwise evaluation of constants -----------------===//
#include "dialects/Onnx/Evaluate.h"
#include "dialects/Onnx/Onnx.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

namespace {
double unaryFloat(Unary kind, double x) {
  switch (kind) {
  case Unary::Neg:
    return -x;
  case Unary::Abs:
    return std::fabs(x);
  case Unary::Exp:
    return std::exp(x);
  case Unary::Log:
    return std::log(x);
  case Unary::Sqrt:
    return std::sqrt(x);
  case Unary::Reciprocal:
    return 1.0 / x;
  case Unary::Sin:
    return std::sin(x);
  case Unary::Cos:
    return std::cos(x);
  case Unary::Tan:
    return std::tan(x);
  case Unary::Asin:
    return std::asin(x);
  case Unary::Acos:
    return std::acos(x);
  case Unary::Atan:
    return std::atan(x);
  case Unary::Sinh:
    return std::sinh(x);
  case Unary::Cosh:
    return std::cosh(x);
  case Unary::Asinh:
    return std::asinh(x);
  case Unary::Acosh:
    return std::acosh(x);
  case Unary::Atanh:
    return std::atanh(x);
  case Unary::Expm1:
    return std::expm1(x);
  case Unary::Log1p:
    return std::log1p(x);
  case Unary::Softplus:
    return (x < 0 ? 0.0 : x) + std::log1p(std::exp(-std::fabs(x)));
  case Unary::Tanh:
    return std::tanh(x);
  case Unary::Sigmoid:
    return 1.0 / (1.0 + std::exp(-x));
  case Unary::Erf:
    return std::erf(x);
  case Unary::Relu:
    return x < 0 ? 0.0 : x;
  case Unary::Not:
    return x == 0;
  case Unary::Floor:
    return std::floor(x);
  case Unary::Ceil:
    return std::ceil(x);
  case Unary::Round:
    return std::nearbyint(x);
  case Unary::Sign:
    return (x > 0) - (x < 0);
  case Unary::IsNaN:
    return std::isnan(x);
  case Unary::IsInf:
    return std::isinf(x);
  }
  llvm_unreachable("all kinds handled");
}

int64_t unaryInt(Unary kind, int64_t x) {
  switch (kind) {
  case Unary::Neg:
    return int64_t(0 - uint64_t(x));
  case Unary::Abs:
    return x < 0 ? int64_t(0 - uint64_t(x)) : x;
  case Unary::Relu:
    return std::max<int64_t>(x, 0);
  case Unary::Not:
    return !x;
  case Unary::Sign:
    return (x > 0) - (x < 0);
  default:
    return x;
  }
}

double binaryFloat(Binary kind, double a, double b) {
  switch (kind) {
  case Binary::Add:
    return a + b;
  case Binary::Sub:
    return a - b;
  case Binary::Mul:
    return a * b;
  case Binary::Div:
    return a / b;
  case Binary::Pow:
    return std::pow(a, b);
  case Binary::Max:
    return std::isnan(a) || a > b ? a : b;
  case Binary::Min:
    return std::isnan(a) || a < b ? a : b;
  case Binary::Mod: {
    double rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  case Binary::FMod:
    return std::fmod(a, b);
  case Binary::Equal:
    return a == b;
  case Binary::Less:
    return a < b;
  case Binary::LessOrEqual:
    return a <= b;
  case Binary::Greater:
    return a > b;
  case Binary::GreaterOrEqual:
    return a >= b;
  case Binary::And:
    return a != 0 && b != 0;
  case Binary::Or:
    return a != 0 || b != 0;
  case Binary::Xor:
    return (a != 0) != (b != 0);
  }
  llvm_unreachable("all kinds handled");
}

/// Division of integers, with the quotient rounded toward zero.
std::optional<int64_t> divideInt(Binary kind, int64_t a, int64_t b) {
  if (b == 0)
    return std::nullopt;
  if (b == -1)
    return kind == Binary::Div ? int64_t(0 - uint64_t(a)) : 0;
  if (kind == Binary::Div)
    return a / b;
  int64_t rest = a % b;
  if (kind == Binary::Mod && rest != 0 && (rest < 0) != (b < 0))
    rest += b;
  return rest;
}

/// The power modulo 2^64, as kernels compute it: with a negative exponent it
/// rounds to 0, but for bases 1 and -1.
int64_t powerInt(int64_t base, int64_t exponent) {
  if (exponent < 0 && base != 1 && base != -1)
    return 0;
  uint64_t result = 1, square = base, rest = exponent;
  for (; rest; rest >>= 1, square *= square)
    if (rest & 1)
      result *= square;
  return int64_t(result);
}

std::optional<int64_t> binaryInt(Binary kind, int64_t a, int64_t b) {
  switch (kind) {
  case Binary::Add:
    return int64_t(uint64_t(a) + uint64_t(b));
  case Binary::Sub:
    return int64_t(uint64_t(a) - uint64_t(b));
  case Binary::Mul:
    return int64_t(uint64_t(a) * uint64_t(b));
  case Binary::Div:
  case Binary::Mod:
  case Binary::FMod:
    return divideInt(kind, a, b);
  case Binary::Pow:
    return powerInt(a, b);
  case Binary::Max:
    return std::max(a, b);
  case Binary::Min:
    return std::min(a, b);
  case Binary::Equal:
    return a == b;
  case Binary::Less:
    return a < b;
  case Binary::LessOrEqual:
    return a <= b;
  case Binary::Greater:
    return a > b;
  case Binary::GreaterOrEqual:
    return a >= b;
  case Binary::And:
    return a && b;
  case Binary::Or:
    return a || b;
  case Binary::Xor:
    return bool(a) != bool(b);
  }
  llvm_unreachable("all kinds handled");
}

/// Walks a shape in C order, keeping the place in an operand that broadcasts
/// to it.
class BroadcastCursor {
public:
  BroadcastCursor(const Tensor &operand, ArrayRef<int64_t> shape)
      : shape(shape), index(shape.size(), 0), strides(shape.size(), 0) {
    int64_t stride = operand.isSplat() ? 0 : 1;
    for (int64_t i = operand.rank(); i-- > 0;) {
      size_t dim = i + shape.size() - operand.rank();
      strides[dim] = operand.shape[i] == 1 ? 0 : stride;
      stride *= operand.shape[i];
    }
  }
  int64_t place() const { return offset; }
  void next() {
    for (size_t i = shape.size(); i-- > 0;) {
      offset += strides[i];
      if (++index[i] < shape[i])
        return;
      offset -= strides[i] * shape[i];
      index[i] = 0;
    }
  }

private:
  ArrayRef<int64_t> shape;
  SmallVector<int64_t> index, strides;
  int64_t offset = 0;
};

/// Number of elements to compute for a result of `shape`: one, if every
/// operand is a splat.
int64_t workFor(ArrayRef<int64_t> shape, ArrayRef<const Tensor *> operands) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  bool splats = llvm::all_of(operands, [](auto *x) { return x->isSplat(); });
  return splats && count > 0 ? 1 : count;
}
} // namespace

bool fsdp::onnx::isComparison(Binary kind) { return kind >= Binary::And; }

MaybeTensor fsdp::onnx::evaluate(Unary kind, const Tensor &x) {
  bool predicate =
      kind == Unary::Not || kind == Unary::IsNaN || kind == Unary::IsInf;
  Type type = predicate ? IntegerType::get(x.elementType.getContext(), 1)
                        : x.elementType;
  Tensor result(type, x.shape);
  result.resize(x.stored());
  for (int64_t i = 0, e = x.stored(); i < e; ++i) {
    if (result.isFloat())
      result.setFloat(i, unaryFloat(kind, x.floats[i]));
    else if (x.isFloat())
      result.ints[i] = unaryFloat(kind, x.floats[i]) != 0;
    else if (kind == Unary::IsNaN || kind == Unary::IsInf)
      result.ints[i] = 0;
    else
      result.ints[i] = unaryInt(kind, x.ints[i]);
  }
  return result;
}

MaybeTensor fsdp::onnx::evaluate(Binary kind, const Tensor &a,
                                 const Tensor &b) {
  auto shape = broadcastShapes(a.shape, b.shape);
  if (failed(shape) || a.isFloat() != b.isFloat())
    return std::nullopt;
  Type type = isComparison(kind)
                  ? IntegerType::get(a.elementType.getContext(), 1)
                  : a.elementType;
  Tensor result(type, *shape);
  int64_t count = workFor(*shape, {&a, &b});
  result.resize(count);
  BroadcastCursor atA(a, *shape), atB(b, *shape);
  for (int64_t i = 0; i < count; ++i, atA.next(), atB.next()) {
    if (a.isFloat()) {
      double value =
          binaryFloat(kind, a.floats[atA.place()], b.floats[atB.place()]);
      if (result.isFloat())
        result.setFloat(i, value);
      else
        result.ints[i] = value != 0;
      continue;
    }
    auto value = binaryInt(kind, a.ints[atA.place()], b.ints[atB.place()]);
    if (!value)
      return std::nullopt;
    // Integers are modulo their width; a truth value is 0 or 1.
    unsigned width = result.elementType.getIntOrFloatBitWidth();
    result.ints[i] = width > 1 ? llvm::SignExtend64(*value, width) : *value;
  }
  return result;
}

MaybeTensor fsdp::onnx::where(const Tensor &condition, const Tensor &a,
                              const Tensor &b) {
  auto values = broadcastShapes(a.shape, b.shape);
  if (failed(values))
    return std::nullopt;
  auto shape = broadcastShapes(condition.shape, *values);
  if (failed(shape) || a.elementType != b.elementType || condition.isFloat())
    return std::nullopt;
  Tensor result(a.elementType, *shape);
  int64_t count = workFor(*shape, {&condition, &a, &b});
  result.resize(count);
  BroadcastCursor atC(condition, *shape), atA(a, *shape), atB(b, *shape);
  for (int64_t i = 0; i < count; ++i, atC.next(), atA.next(), atB.next()) {
    bool first = condition.ints[atC.place()];
    result.copy(i, first ? a : b, first ? atA.place() : atB.place());
  }
  return result;
}

MaybeTensor fsdp::onnx::expand(const Tensor &x, ArrayRef<int64_t> shape) {
  auto joined = broadcastShapes(x.shape, shape);
  if (failed(joined))
    return std::nullopt;
  Tensor result(x.elementType, *joined);
  int64_t count = workFor(*joined, {&x});
  result.resize(count);
  BroadcastCursor at(x, *joined);
  for (int64_t i = 0; i < count; ++i, at.next())
    result.copy(i, x, at.place());
  return result;
}

Tensor fsdp::onnx::convert(const Tensor &x, Type elementType) {
  Tensor result(elementType, x.shape);
  result.resize(x.stored());
  unsigned width =
      isa<IntegerType>(elementType) ? elementType.getIntOrFloatBitWidth() : 0;
  for (int64_t i = 0, e = x.stored(); i < e; ++i) {
    if (result.isFloat()) {
      result.setFloat(i, x.asFloat(i));
    } else if (width == 1) {
      result.ints[i] = x.isFloat() ? x.floats[i] != 0 : x.ints[i] != 0;
    } else {
      double f = x.isFloat() ? x.floats[i] : 0;
      // C++ leaves the conversion of what does not fit undefined.
      bool fits = std::isfinite(f) && std::fabs(f) < 9.2e18;
      int64_t value = x.isFloat() ? (fits ? int64_t(f) : INT64_MIN) : x.ints[i];
      result.ints[i] = width < 64 ? llvm::SignExtend64(value, width) : value;
    }
  }
  return result;
}
