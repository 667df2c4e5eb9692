//===- EvaluateIndex.cpp - Gathers, scatters, order of constants ----------===//
#include "dialects/Onnx/Evaluate.h"
#include "dialects/Onnx/IndexSpace.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace fsdp::onnx;

MaybeTensor fsdp::onnx::gather(const Tensor &table, const Tensor &indices) {
  if (table.rank() < 1 || indices.isFloat())
    return std::nullopt;
  int64_t rows = table.shape[0];
  SmallVector<int64_t> shape = indices.shape;
  shape.append(table.shape.begin() + 1, table.shape.end());
  int64_t width = product(ArrayRef<int64_t>(table.shape).drop_front());
  Tensor result(table.elementType, shape);
  result.resize(product(shape));
  for (int64_t i = 0, e = indices.numElements(); i < e; ++i) {
    int64_t row = indices.asInt(i);
    row = row < 0 ? row + rows : row;
    if (row < 0 || row >= rows)
      return std::nullopt;
    for (int64_t j = 0; j < width; ++j)
      result.copy(i * width + j, table, row * width + j);
  }
  return result;
}

MaybeTensor fsdp::onnx::gatherElements(const Tensor &x, const Tensor &indices,
                                       int64_t axis) {
  if (x.rank() != indices.rank() || indices.isFloat())
    return std::nullopt;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != axis && indices.shape[i] > x.shape[i])
      return std::nullopt;
  SmallVector<int64_t> strides = stridesOf(x.shape);
  Tensor result(x.elementType, indices.shape);
  result.resize(indices.numElements());
  bool valid = true;
  forEachIndex(indices.shape, [&](int64_t i, ArrayRef<int64_t> index) {
    int64_t place = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      int64_t at = int64_t(d) == axis ? indices.asInt(i) : index[d];
      at = at < 0 ? at + x.shape[d] : at;
      valid &= at >= 0 && at < x.shape[d];
      place += at * strides[d];
    }
    if (valid)
      result.copy(i, x, place);
  });
  return valid ? MaybeTensor(std::move(result)) : std::nullopt;
}

/// Place in a tensor of `shape` of the slice that the `depth` entries of
/// `indices` from `from` on name, after `batch` fixed leading dimensions.
static std::optional<int64_t> placeOf(const Tensor &indices, int64_t from,
                                      int64_t depth, ArrayRef<int64_t> shape,
                                      int64_t batch) {
  SmallVector<int64_t> strides = stridesOf(shape);
  int64_t place = 0;
  for (int64_t d = 0; d < depth; ++d) {
    int64_t extent = shape[batch + d];
    int64_t at = indices.asInt(from + d);
    at = at < 0 ? at + extent : at;
    if (at < 0 || at >= extent)
      return std::nullopt;
    place += at * strides[batch + d];
  }
  return place;
}

MaybeTensor fsdp::onnx::gatherND(const Tensor &x, const Tensor &indices,
                                 int64_t batchDims) {
  int64_t depth = indices.rank() ? indices.shape.back() : 0;
  if (indices.isFloat() || batchDims < 0 || depth < 1 ||
      batchDims >= indices.rank() || batchDims + depth > x.rank())
    return std::nullopt;
  ArrayRef<int64_t> xShape = x.shape, iShape = indices.shape;
  if (xShape.take_front(batchDims) != iShape.take_front(batchDims))
    return std::nullopt;
  SmallVector<int64_t> shape(iShape.drop_back());
  llvm::append_range(shape, xShape.drop_front(batchDims + depth));
  int64_t width = product(xShape.drop_front(batchDims + depth));
  int64_t perBatch = product(iShape.drop_front(batchDims).drop_back());
  int64_t batchStride = product(xShape.drop_front(batchDims));
  Tensor result(x.elementType, shape);
  result.resize(product(shape));
  for (int64_t i = 0, e = product(iShape.drop_back()); i < e; ++i) {
    auto place = placeOf(indices, i * depth, depth, xShape, batchDims);
    if (!place)
      return std::nullopt;
    int64_t from = i / perBatch * batchStride + *place;
    for (int64_t j = 0; j < width; ++j)
      result.copy(i * width + j, x, from + j);
  }
  return result;
}

MaybeTensor fsdp::onnx::scatterND(const Tensor &x, const Tensor &indices,
                                  const Tensor &updates, bool add) {
  int64_t depth = indices.rank() ? indices.shape.back() : 0;
  if (indices.isFloat() || depth < 1 || depth > x.rank() ||
      updates.elementType != x.elementType)
    return std::nullopt;
  int64_t width = product(ArrayRef<int64_t>(x.shape).drop_front(depth));
  int64_t count = product(ArrayRef<int64_t>(indices.shape).drop_back());
  if (updates.numElements() != count * width)
    return std::nullopt;
  Tensor result(x.elementType, x.shape);
  result.resize(x.numElements());
  for (int64_t i = 0, e = x.numElements(); i < e; ++i)
    result.copy(i, x, i);
  for (int64_t i = 0; i < count; ++i) {
    auto place = placeOf(indices, i * depth, depth, x.shape, 0);
    if (!place)
      return std::nullopt;
    for (int64_t j = 0; j < width; ++j) {
      int64_t to = *place + j, from = i * width + j;
      if (!add)
        result.copy(to, updates, from);
      else if (x.isFloat())
        result.setFloat(to, result.floats[to] + updates.asFloat(from));
      else
        result.ints[to] += updates.asInt(from);
    }
  }
  return result;
}

/// Whether element `i` comes before element `j` in the order of `onnx.top_k`,
/// ties apart.
static bool isBefore(const Tensor &x, int64_t i, int64_t j, bool smallest) {
  if (smallest)
    std::swap(i, j);
  if (!x.isFloat())
    return x.asInt(i) > x.asInt(j);
  double a = x.asFloat(i), b = x.asFloat(j);
  return std::isnan(a) ? !std::isnan(b) : a > b;
}

std::pair<Tensor, Tensor> fsdp::onnx::topK(const Tensor &x, int64_t k,
                                           bool smallest, Type indexType) {
  SmallVector<int64_t> shape = x.shape;
  int64_t width = shape.back(), rows = x.numElements() / width;
  shape.back() = k;
  Tensor values(x.elementType, shape), indices(indexType, shape);
  values.resize(rows * k);
  indices.resize(rows * k);
  std::vector<int64_t> order(width);
  for (int64_t row = 0; row < rows; ++row) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
      return isBefore(x, row * width + i, row * width + j, smallest);
    });
    for (int64_t j = 0; j < k; ++j) {
      values.copy(row * k + j, x, row * width + order[j]);
      indices.ints[row * k + j] = order[j];
    }
  }
  return {std::move(values), std::move(indices)};
}

Tensor fsdp::onnx::cumsum(const Tensor &x, int64_t axis, bool exclusive,
                          bool reverse) {
  Tensor result(x.elementType, x.shape);
  result.resize(x.numElements());
  int64_t stride = stridesOf(x.shape)[axis], extent = x.shape[axis];
  forEachIndex(x.shape, [&](int64_t i, ArrayRef<int64_t> index) {
    if (index[axis] != 0)
      return;
    double sumFloat = 0;
    uint64_t sumInt = 0; // modulo its width
    for (int64_t k = 0; k < extent; ++k) {
      int64_t at = i + (reverse ? extent - 1 - k : k) * stride;
      double floatBefore = sumFloat;
      int64_t intBefore = sumInt;
      if (x.isFloat())
        sumFloat += x.asFloat(at);
      else
        sumInt += x.asInt(at);
      if (x.isFloat())
        result.setFloat(at, exclusive ? floatBefore : sumFloat);
      else
        result.ints[at] = exclusive ? intBefore : sumInt;
    }
  });
  return result;
}
