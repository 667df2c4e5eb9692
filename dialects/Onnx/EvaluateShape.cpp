//===- EvaluateShape.cpp - Rearranging, gathering, reducing constants -----===//
#include "dialects/Onnx/Evaluate.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

static SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

static int64_t product(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

/// Calls `body(i, index)` for every index of `shape` in C order.
template <typename Body>
static void forEachIndex(ArrayRef<int64_t> shape, Body body) {
  SmallVector<int64_t> index(shape.size(), 0);
  int64_t count = product(shape);
  for (int64_t i = 0; i < count; ++i) {
    body(i, ArrayRef<int64_t>(index));
    for (size_t dim = shape.size(); dim-- > 0;) {
      if (++index[dim] < shape[dim])
        break;
      index[dim] = 0;
    }
  }
}

/// Result whose element at an index is x's element at `place(index)`; a splat
/// stays one.
template <typename Place>
static Tensor rearrange(const Tensor &x, ArrayRef<int64_t> shape, Place place) {
  Tensor result(x.elementType, shape);
  int64_t count = product(shape);
  if (x.isSplat() && count > 0) {
    result.resize(1);
    result.copy(0, x, 0);
    return result;
  }
  result.resize(count);
  forEachIndex(shape, [&](int64_t i, ArrayRef<int64_t> index) {
    result.copy(i, x, place(index));
  });
  return result;
}

MaybeTensor fsdp::onnx::reshape(const Tensor &x, ArrayRef<int64_t> shape) {
  if (product(shape) != x.numElements())
    return std::nullopt;
  Tensor result = x;
  result.shape.assign(shape.begin(), shape.end());
  return result;
}

Tensor fsdp::onnx::transpose(const Tensor &x, ArrayRef<int64_t> perm) {
  SmallVector<int64_t> strides = stridesOf(x.shape), shape, permuted;
  for (int64_t p : perm) {
    shape.push_back(x.shape[p]);
    permuted.push_back(strides[p]);
  }
  return rearrange(x, shape, [&](ArrayRef<int64_t> index) {
    int64_t place = 0;
    for (size_t i = 0; i < index.size(); ++i)
      place += index[i] * permuted[i];
    return place;
  });
}

Tensor fsdp::onnx::slice(const Tensor &x, ArrayRef<int64_t> starts,
                         ArrayRef<int64_t> steps, ArrayRef<int64_t> extents) {
  SmallVector<int64_t> strides = stridesOf(x.shape);
  return rearrange(x, extents, [&](ArrayRef<int64_t> index) {
    int64_t place = 0;
    for (size_t i = 0; i < index.size(); ++i)
      place += (starts[i] + index[i] * steps[i]) * strides[i];
    return place;
  });
}

Tensor fsdp::onnx::pad(const Tensor &x, ArrayRef<int64_t> low,
                       ArrayRef<int64_t> extents, double value) {
  SmallVector<int64_t> strides = stridesOf(x.shape);
  Tensor fill = Tensor::splat(x.elementType, {}, value);
  Tensor result(x.elementType, extents);
  result.resize(product(extents));
  forEachIndex(extents, [&](int64_t i, ArrayRef<int64_t> index) {
    int64_t place = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      int64_t from = index[d] - low[d];
      if (from < 0 || from >= x.shape[d])
        return result.copy(i, fill, 0);
      place += from * strides[d];
    }
    result.copy(i, x, place);
  });
  return result;
}

MaybeTensor fsdp::onnx::concat(ArrayRef<const Tensor *> xs, int64_t axis) {
  Tensor result(xs[0]->elementType, xs[0]->shape);
  result.shape[axis] = 0;
  for (const Tensor *x : xs) {
    SmallVector<int64_t> shape = x->shape;
    if (x->rank() != result.rank() || x->elementType != result.elementType)
      return std::nullopt;
    std::swap(shape[axis], result.shape[axis]);
    for (int64_t i = 0; i < x->rank(); ++i)
      if (i != axis && shape[i] != result.shape[i])
        return std::nullopt;
    result.shape[axis] += shape[axis];
  }
  result.resize(product(result.shape));
  int64_t outer = product(ArrayRef<int64_t>(result.shape).take_front(axis));
  int64_t j = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (const Tensor *x : xs) {
      int64_t inner = product(ArrayRef<int64_t>(x->shape).drop_front(axis));
      for (int64_t i = 0; i < inner; ++i)
        result.copy(j++, *x, o * inner + i);
    }
  return result;
}

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
                                  const Tensor &updates) {
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
    for (int64_t j = 0; j < width; ++j)
      result.copy(*place + j, updates, i * width + j);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static double joinFloat(Reduction kind, double a, double b) {
  switch (kind) {
  case Reduction::Sum:
  case Reduction::Mean:
    return a + b;
  case Reduction::Max:
    return std::max(a, b);
  case Reduction::Min:
    return std::min(a, b);
  case Reduction::Prod:
    return a * b;
  }
  llvm_unreachable("all kinds handled");
}

static int64_t joinInt(Reduction kind, int64_t a, int64_t b) {
  switch (kind) {
  case Reduction::Sum:
  case Reduction::Mean:
    return int64_t(uint64_t(a) + uint64_t(b));
  case Reduction::Max:
    return std::max(a, b);
  case Reduction::Min:
    return std::min(a, b);
  case Reduction::Prod:
    return int64_t(uint64_t(a) * uint64_t(b));
  }
  llvm_unreachable("all kinds handled");
}

Tensor fsdp::onnx::reduce(Reduction kind, const Tensor &x,
                          ArrayRef<int64_t> axes, bool keepdims) {
  SmallVector<int64_t> kept, shape;
  int64_t reduced = 1;
  for (auto [i, extent] : llvm::enumerate(x.shape)) {
    bool drop = llvm::is_contained(axes, int64_t(i));
    kept.push_back(drop ? 1 : extent);
    reduced *= drop ? extent : 1;
    if (!drop || keepdims)
      shape.push_back(kept.back());
  }
  int64_t count = product(kept);
  std::vector<double> floats(x.isFloat() ? count : 0);
  Tensor result(x.elementType, shape);
  result.resize(count);
  std::vector<bool> seen(count);
  SmallVector<int64_t> strides = stridesOf(kept);
  forEachIndex(x.shape, [&](int64_t i, ArrayRef<int64_t> index) {
    int64_t to = 0;
    for (size_t d = 0; d < index.size(); ++d)
      to += kept[d] == 1 ? 0 : index[d] * strides[d];
    if (x.isFloat())
      floats[to] =
          seen[to] ? joinFloat(kind, floats[to], x.asFloat(i)) : x.asFloat(i);
    else
      result.ints[to] =
          seen[to] ? joinInt(kind, result.ints[to], x.asInt(i)) : x.asInt(i);
    seen[to] = true;
  });
  for (int64_t i = 0; i < count; ++i) {
    if (x.isFloat())
      result.setFloat(i, kind == Reduction::Mean ? floats[i] / reduced
                                                 : floats[i]);
    else if (kind == Reduction::Mean && reduced)
      result.ints[i] /= reduced;
  }
  return result;
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
      double f = sumFloat += x.isFloat() ? x.asFloat(at) : 0;
      int64_t n = sumInt += x.isFloat() ? 0 : x.asInt(at);
      if (x.isFloat())
        result.setFloat(at, exclusive ? f - x.asFloat(at) : f);
      else
        result.ints[at] = exclusive ? n - x.asInt(at) : n;
    }
  });
  return result;
}

Tensor fsdp::onnx::triangle(const Tensor &x, int64_t diagonal, bool upper) {
  Tensor zero = Tensor::splat(x.elementType, {}, 0);
  Tensor result(x.elementType, x.shape);
  result.resize(x.numElements());
  int64_t rank = x.rank();
  forEachIndex(x.shape, [&](int64_t i, ArrayRef<int64_t> index) {
    int64_t above = index[rank - 1] - index[rank - 2];
    bool keep = upper ? above >= diagonal : above <= diagonal;
    result.copy(i, keep ? x : zero, keep ? i : 0);
  });
  return result;
}

Tensor fsdp::onnx::nonZero(const Tensor &x, Type indexType) {
  std::vector<SmallVector<int64_t>> found;
  forEachIndex(x.shape, [&](int64_t i, ArrayRef<int64_t> index) {
    if (x.asFloat(i) != 0)
      found.emplace_back(index);
  });
  Tensor result(indexType, {x.rank(), int64_t(found.size())});
  for (int64_t d = 0; d < x.rank(); ++d)
    for (auto &index : found)
      result.ints.push_back(index[d]);
  return result;
}

MaybeTensor fsdp::onnx::matmul(const Tensor &a, const Tensor &b) {
  if (a.rank() < 2 || b.rank() < 2 || !a.isFloat() || !b.isFloat() ||
      a.shape.back() != b.shape[b.rank() - 2])
    return std::nullopt;
  SmallVector<int64_t> leadA(ArrayRef<int64_t>(a.shape).drop_back(2)),
      leadB(ArrayRef<int64_t>(b.shape).drop_back(2));
  int64_t m = a.shape[a.rank() - 2], k = a.shape.back(), n = b.shape.back();
  // Broadcast of the leading dimensions by expanding both sides first.
  Tensor probeA = Tensor::splat(a.elementType, leadA, 0);
  Tensor probeB = Tensor::splat(a.elementType, leadB, 0);
  MaybeTensor lead = evaluate(Binary::Add, probeA, probeB);
  if (!lead)
    return std::nullopt;
  SmallVector<int64_t> shape = lead->shape, fullA = shape, fullB = shape;
  fullA.append({m, k});
  fullB.append({k, n});
  Tensor x = *expand(a, fullA), y = *expand(b, fullB);
  shape.append({m, n});
  Tensor result(a.elementType, shape);
  result.resize(product(shape));
  for (int64_t batch = 0, e = product(lead->shape); batch < e; ++batch)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t l = 0; l < k; ++l)
          sum += x.asFloat((batch * m + i) * k + l) *
                 y.asFloat((batch * k + l) * n + j);
        result.setFloat((batch * m + i) * n + j, sum);
      }
  return result;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

static bool sameElement(const Tensor &x, int64_t i, int64_t j) {
  if (!x.isFloat())
    return x.ints[i] == x.ints[j];
  return x.floats[i] == x.floats[j] ||
         (std::isnan(x.floats[i]) && std::isnan(x.floats[j]));
}

Tensor fsdp::onnx::collapseCopies(const Tensor &x, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape = x.shape;
  SmallVector<int64_t> strides = stridesOf(x.shape);
  for (int64_t axis : axes) {
    if (x.shape[axis] <= 1)
      continue;
    bool equal = true;
    if (!x.isSplat()) {
      int64_t stride = strides[axis], extent = x.shape[axis];
      for (int64_t i = 0, e = x.numElements(); i < e && equal; ++i)
        if (i / stride % extent)
          equal = sameElement(x, i, i - stride);
    }
    if (equal)
      shape[axis] = 1;
  }
  if (shape == x.shape)
    return x;
  SmallVector<int64_t> starts(x.rank(), 0), steps(x.rank(), 1);
  return slice(x, starts, steps, shape);
}
