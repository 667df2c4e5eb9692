//===- EmitterTensor.cpp - Slices, joins, reductions ----------------------===//
#include "dialects/Onnx/Import/Emitter.h"
#include "dialects/Onnx/Import/Graph.h"

using namespace mlir;
using namespace fsdp::onnx;

static MaybeOperand first(FailureOr<SmallVector<Value>> values) {
  if (failed(values))
    return failure();
  return Operand(values->front());
}

MaybeOperand Emitter::slice(const Operand &x, ArrayRef<int64_t> starts,
                            ArrayRef<int64_t> steps,
                            ArrayRef<int64_t> extents) {
  if (x.constant)
    return once(ConstantKey("slice").add(starts).add(steps).add(extents).add(
                    x.constant),
                "a slice", [&] {
                  return fsdp::onnx::slice(*x.constant, starts, steps, extents);
                });
  return first(
      buildAs<SliceOp>(RankedTensorType::get(extents, x.elementType()), x.value,
                       {ints("starts", starts), ints("steps", steps)}));
}

MaybeOperand Emitter::pad(const Operand &x, ArrayRef<int64_t> low,
                          ArrayRef<int64_t> extents, double value) {
  if (!checkSize(extents, bool(x.constant)))
    return failure();
  if (x.constant)
    return Operand(fsdp::onnx::pad(*x.constant, low, extents, value));
  SmallVector<int64_t> steps(x.rank(), 1);
  return first(buildAs<PadOp>(
      RankedTensorType::get(extents, x.elementType()), x.value,
      {ints("low", low), ints("steps", steps), real("value", value)}));
}

MaybeOperand Emitter::concat(ArrayRef<Operand> xs, int64_t axis) {
  SmallVector<const Tensor *> constants;
  ConstantKey key("concat");
  key.add(axis);
  for (const Operand &x : xs) {
    if (!x.constant)
      continue;
    constants.push_back(x.constant.get());
    key.add(x.constant);
  }
  if (constants.size() == xs.size())
    return once(key, "a concatenation",
                [&] { return fsdp::onnx::concat(constants, axis); });
  SmallVector<Value> operands;
  for (const Operand &x : xs)
    operands.push_back(materialize(x));
  return first(build<ConcatOp>(operands, integer("axis", axis)));
}

FailureOr<SmallVector<Operand>> Emitter::split(const Operand &x, int64_t axis,
                                               ArrayRef<int64_t> extents) {
  int64_t total = 0;
  for (int64_t extent : extents) {
    if (extent < 0 || extent > x.shape()[axis])
      return error() << "cannot split off an extent of " << extent << " of "
                     << x.type();
    total += extent;
  }
  if (total != x.shape()[axis])
    return error() << "cannot split " << x.type() << " along axis " << axis
                   << " into parts of " << total << " in all";
  SmallVector<Operand> parts;
  SmallVector<Type> types;
  int64_t start = 0;
  for (int64_t extent : extents) {
    SmallVector<int64_t> shape(x.shape()), starts(x.rank(), 0);
    shape[axis] = extent;
    starts[axis] = start;
    start += extent;
    types.push_back(RankedTensorType::get(shape, x.elementType()));
    if (x.constant)
      parts.push_back(fsdp::onnx::slice(
          *x.constant, starts, SmallVector<int64_t>(x.rank(), 1), shape));
  }
  if (x.constant)
    return parts;
  auto values = buildAs<SplitOp>(types, x.value, integer("axis", axis));
  if (failed(values))
    return failure();
  llvm::append_range(parts, *values);
  return parts;
}

/// Its own inverse, with the order turned round: -x, -1 - x of integers (the
/// least one has no negative), not x.
static MaybeOperand mirror(Emitter &e, const Operand &x) {
  if (x.elementType().isInteger(1))
    return e.unary(Unary::Not, x);
  if (isa<IntegerType>(x.elementType()))
    return e.binary(Binary::Sub, e.scalarLike(x, -1), x);
  return e.unary(Unary::Neg, x);
}

MaybeOperand Emitter::reduce(Reduction kind, const Operand &x,
                             ArrayRef<int64_t> axes, bool keepdims) {
  if (x.constant)
    return once(ConstantKey("reduce")
                    .add(int64_t(kind))
                    .add(axes)
                    .add(keepdims)
                    .add(x.constant),
                "a reduction", [&] {
                  return fsdp::onnx::reduce(kind, *x.constant, axes, keepdims);
                });
  SmallVector<NamedAttribute> attributes = {
      ints("axes", axes),
      builder.getNamedAttr("keepdims", builder.getBoolAttr(keepdims))};
  switch (kind) {
  case Reduction::Sum:
    return first(build<ReduceSumOp>(x.value, attributes));
  case Reduction::Mean:
    return first(build<ReduceMeanOp>(x.value, attributes));
  case Reduction::Max:
    return first(build<ReduceMaxOp>(x.value, attributes));
  case Reduction::Min: {
    MaybeOperand mirrored = mirror(*this, x);
    if (failed(mirrored))
      return failure();
    auto maximum = reduce(Reduction::Max, *mirrored, axes, keepdims);
    return failed(maximum) ? maximum : mirror(*this, *maximum);
  }
  case Reduction::Prod:
    return failure();
  }
  llvm_unreachable("all kinds handled");
}
