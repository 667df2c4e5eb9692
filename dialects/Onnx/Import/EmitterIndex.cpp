//===- EmitterIndex.cpp - Gathers, scatters, order ------------------------===//
#include "dialects/Onnx/Import/Emitter.h"
#include "dialects/Onnx/IndexSpace.h"

using namespace mlir;
using namespace fsdp::onnx;

static MaybeOperand first(FailureOr<SmallVector<Value>> values) {
  if (failed(values))
    return failure();
  return Operand(values->front());
}

/// Rows that are known and equally far apart are a slice: whole tables are not
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
  if (count == 0)
    return failure();
  int64_t step = count > 1 ? wanted[1] - wanted[0] : 1;
  for (int64_t i = 1; i < count; ++i)
    if (step == 0 || wanted[i] != wanted[i - 1] + step)
      return failure();
  done = true;
  SmallVector<int64_t> starts(table.rank(), 0), steps(table.rank(), 1),
      extents(table.shape()), shape(indices.shape);
  starts[0] = wanted.front();
  steps[0] = step;
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
  SmallVector<NamedAttribute> attributes = {integer("batch_dims", 0)};
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

/// Indices of `batches` tables of `rows` rows each, as those of one table; the
/// dimensions stay.
static Tensor joinTables(const Tensor &indices, int64_t batches, int64_t rows) {
  Tensor joined(indices.elementType, indices.shape);
  int64_t total = joined.numElements();
  joined.resize(total);
  for (int64_t i = 0; i < total; ++i)
    joined.ints[i] = indices.asInt(i) + i / (total / batches) * rows;
  return joined;
}

MaybeOperand Emitter::gatherRows(const Operand &table, const Operand &indices,
                                 int64_t batchDims) {
  if (batchDims == 0)
    return gather(table, indices, 0, std::nullopt);
  ArrayRef<int64_t> shape = table.shape();
  int64_t batches = product(shape.take_front(batchDims));
  if (indices.constant && indices.type().getNumElements() > 0) {
    SmallVector<int64_t> joined = {batches * shape[batchDims]};
    llvm::append_range(joined, shape.drop_front(batchDims + 1));
    Tensor places = joinTables(*indices.constant, batches, shape[batchDims]);
    MaybeOperand one = reshape(table, joined);
    if (failed(one) || one->constant)
      return failed(one) ? one : gather(*one, places, 0, std::nullopt);
    // What is no slice stays apart: a table's gradient then looks through the
    // indices of its own alone.
    bool done;
    auto rows = gatherConstantRows(*one, places, done);
    if (done)
      return rows;
  }
  SmallVector<Value> operands = {materialize(table), materialize(indices)};
  return first(build<GatherOp>(operands, integer("batch_dims", batchDims)));
}

MaybeOperand Emitter::scatterRows(const Operand &x, const Operand &indices,
                                  const Operand &updates, int64_t batchDims,
                                  bool add) {
  if (x.constant && indices.constant && updates.constant) {
    ArrayRef<int64_t> shape = x.shape();
    int64_t batches = product(shape.take_front(batchDims));
    SmallVector<int64_t> joined = {batches * shape[batchDims]};
    llvm::append_range(joined, shape.drop_front(batchDims + 1));
    Tensor table = *x.constant, places = *indices.constant;
    table.shape = joined;
    if (batchDims)
      places = joinTables(places, batches, shape[batchDims]);
    places.shape.push_back(1);
    MaybeTensor result = scatterND(table, places, *updates.constant, add);
    if (!result)
      return error() << "a scatter of constants is not defined: their shapes, "
                        "types or indices do not agree";
    result->shape.assign(shape.begin(), shape.end());
    return Operand(std::move(*result));
  }
  SmallVector<NamedAttribute> attributes = {integer("batch_dims", batchDims)};
  if (add)
    attributes.push_back(flag("add"));
  SmallVector<Value> operands = {materialize(x), materialize(indices),
                                 materialize(updates)};
  return first(build<ScatterOp>(operands, attributes));
}

FailureOr<std::pair<Operand, Operand>> Emitter::topK(const Operand &x,
                                                     int64_t k, bool smallest) {
  if (x.rank() < 1 || k < 1 || k > x.shape().back())
    return error() << "takes " << k << " elements along the last axis of "
                   << x.type() << ", expected 1 to its extent";
  if (x.constant) {
    auto [values, indices] =
        fsdp::onnx::topK(*x.constant, k, smallest, builder.getI64Type());
    return std::pair(Operand(std::move(values)), Operand(std::move(indices)));
  }
  SmallVector<NamedAttribute> attributes = {integer("k", k)};
  if (smallest)
    attributes.push_back(flag("smallest"));
  auto results = build<TopKOp>(x.value, attributes);
  if (failed(results))
    return failure();
  return std::pair(Operand((*results)[0]), Operand((*results)[1]));
}

MaybeOperand Emitter::cumsum(const Operand &x, int64_t axis, bool exclusive,
                             bool reverse) {
  if (x.constant)
    return Operand(fsdp::onnx::cumsum(*x.constant, axis, exclusive, reverse));
  SmallVector<NamedAttribute> attributes = {integer("axis", axis)};
  if (exclusive)
    attributes.push_back(flag("exclusive"));
  if (reverse)
    attributes.push_back(flag("reverse"));
  return first(build<CumSumOp>(x.value, attributes));
}
