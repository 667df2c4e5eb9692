//===- EmitterTensor.cpp - Slices, gathers, reductions --------------------===//
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

/// Rows that are known and follow each other are a slice: whole tables are not
/// copied, and the gradient needs no scatter. `done` tells whether they were.
MaybeOperand Emitter::gatherConstantRows(const Operand &table,
                                         const Tensor &indices, bool &done) {
  done = false;
  int64_t rows = table.shape()[0], count = indices.numElements();
  SmallVector<int64_t> wanted;
  for (int64_t i = 0; i < count; ++i) {
    int64_t row = indices.asInt(i);
    wanted.push_back(row < 0 ? row + rows : row);
    if (wanted.back() >= 0 && wanted.back() < rows)
      continue;
    done = true;
    auto diagnostic = error() << "reads row " << row;
    if (auto read = table.value ? table.value.getDefiningOp<ReadOp>() : nullptr)
      diagnostic << " of '" << read.getParameter() << "'";
    return diagnostic << ", which has " << rows
                      << " rows: is the sequence longer than the table of "
                         "positions? give a smaller --dim";
  }
  for (int64_t i = 1; i < count; ++i)
    if (wanted[i] != wanted[i - 1] + 1)
      return failure();
  if (count == 0)
    return failure();
  done = true;
  SmallVector<int64_t> starts(table.rank(), 0), steps(table.rank(), 1),
      extents(table.shape()), shape(indices.shape);
  starts[0] = wanted.front();
  extents[0] = count;
  llvm::append_range(shape, table.shape().drop_front());
  auto part = slice(table, starts, steps, extents);
  return failed(part) ? part : reshape(*part, shape);
}

MaybeOperand Emitter::gather(const Operand &x, const Operand &indices,
                             int64_t axis, std::optional<int64_t> paddingIdx) {
  Operand table = x;
  if (axis != 0) {
    // The axis is moved to the front and the indices' dimensions back to it.
    SmallVector<int64_t> front = {axis}, back;
    for (int64_t i = 0; i < x.rank(); ++i)
      if (i != axis)
        front.push_back(i);
    int64_t depth = indices.rank();
    for (int64_t i = 0; i < axis; ++i)
      back.push_back(depth + i);
    for (int64_t i = 0; i < depth; ++i)
      back.push_back(i);
    for (int64_t i = axis; i < x.rank() - 1; ++i)
      back.push_back(depth + i);
    auto moved = transpose(x, front);
    if (failed(moved))
      return failure();
    auto rows = gather(*moved, indices, 0, paddingIdx);
    return failed(rows) ? rows : transpose(*rows, back);
  }
  if (indices.constant) {
    bool done;
    if (table.constant) {
      SmallVector<int64_t> shape(indices.shape());
      llvm::append_range(shape, table.shape().drop_front());
      if (!checkSize(shape, /*computed=*/true))
        return failure();
      auto rows = fsdp::onnx::gather(*table.constant, *indices.constant);
      if (rows)
        return Operand(std::move(*rows));
    }
    auto rows = gatherConstantRows(table, *indices.constant, done);
    // The row of padding has no gradient: a slice could not say so.
    if (done && (failed(rows) || !paddingIdx))
      return rows;
  }
  SmallVector<NamedAttribute> attributes;
  if (paddingIdx)
    attributes.push_back(integer("padding_idx", *paddingIdx));
  Operand places = indices;
  if (indices.constant) {
    Tensor wrapped = *indices.constant;
    for (int64_t &row : wrapped.ints)
      row = row < 0 ? row + table.shape()[0] : row;
    places = Operand(std::move(wrapped));
  }
  SmallVector<Value> operands = {materialize(table), materialize(places)};
  return first(build<GatherOp>(operands, attributes));
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
    auto negative = unary(Unary::Neg, x);
    if (failed(negative))
      return failure();
    auto maximum = reduce(Reduction::Max, *negative, axes, keepdims);
    return failed(maximum) ? maximum : unary(Unary::Neg, *maximum);
  }
  case Reduction::Prod:
    return failure();
  }
  llvm_unreachable("all kinds handled");
}
