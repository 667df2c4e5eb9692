//===- IndexImport.cpp - Operators that read or write by indices ----------===//
//
// All come down to rows of a table (`onnx.gather`, `onnx.scatter`): dimensions
// that indices name together are merged into one, and the axis of ...Elements
// is brought to the end, where each row of the others is a table of its own.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Places.h"
#include "dialects/Onnx/IndexSpace.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// x with the `count` dimensions from `at` on merged.
MaybeOperand mergeDims(NodeContext &c, const Operand &x, int64_t at,
                       int64_t count) {
  ArrayRef<int64_t> shape = x.shape();
  SmallVector<int64_t> merged(shape.take_front(at));
  merged.push_back(product(shape.slice(at, count)));
  llvm::append_range(merged, shape.drop_front(at + count));
  return c.e.reshape(x, merged);
}

/// What a scatter does where its rows meet.
FailureOr<bool> addsUpdates(NodeContext &c) {
  std::string reduction = c.text("reduction", "none");
  if (reduction == "none" || reduction == "add")
    return reduction == "add";
  return c.e.error() << c.node.opType << " with reduction '" << reduction
                     << "' is not supported, expected 'none' or 'add'";
}

LogicalResult gatherAt(NodeContext &c) {
  int64_t batch = c.integer("batch_dims", 0);
  const Operand &x = c.in[0], &indices = c.in[1];
  int64_t depth = indices.rank() ? indices.shape().back() : 0;
  if (batch < 0 || depth < 1 || batch >= indices.rank() ||
      batch + depth > x.rank() ||
      x.shape().take_front(batch) != indices.shape().take_front(batch))
    return c.e.error() << "GatherND reads " << x.type() << " by indices "
                       << indices.type() << " with batch_dims " << batch
                       << ", whose shapes do not agree";
  if (failed(checkIndices(c, indices)))
    return failure();
  if (x.constant && indices.constant) {
    MaybeTensor known =
        fsdp::onnx::gatherND(*x.constant, *indices.constant, batch);
    if (!known)
      return c.e.error() << "GatherND has an index that is outside of "
                         << x.type();
    c.out.push_back(Operand(std::move(*known)));
    return success();
  }
  auto places = mergedPlaces(c, indices, x.shape().slice(batch, depth));
  auto table = mergeDims(c, x, batch, depth);
  if (failed(places) || failed(table))
    return failure();
  return c.result(c.e.gatherRows(*table, *places, batch));
}

/// Rows that are known and follow each other are replaced without a scatter.
MaybeOperand replaceRows(NodeContext &c, const Operand &x, int64_t first,
                         const Operand &updates) {
  int64_t rows = x.shape()[0], count = updates.shape()[0];
  SmallVector<Operand> parts;
  auto addPart = [&](int64_t from, int64_t to) {
    SmallVector<int64_t> starts(x.rank(), 0), steps(x.rank(), 1),
        extents(x.shape());
    starts[0] = from;
    extents[0] = to - from;
    auto part = c.e.slice(x, starts, steps, extents);
    if (succeeded(part))
      parts.push_back(*part);
    return LogicalResult(part);
  };
  if (first > 0 && failed(addPart(0, first)))
    return failure();
  parts.push_back(updates);
  if (first + count < rows && failed(addPart(first + count, rows)))
    return failure();
  return parts.size() == 1 ? MaybeOperand(updates) : c.e.concat(parts, 0);
}

/// The first of constant places that follow each other.
std::optional<int64_t> firstOfRange(const Operand &places) {
  if (!places.constant || places.type().getNumElements() == 0)
    return std::nullopt;
  const Tensor &tensor = *places.constant;
  for (int64_t i = 1, e = tensor.numElements(); i < e; ++i)
    if (tensor.asInt(i) != tensor.asInt(i - 1) + 1)
      return std::nullopt;
  return tensor.asInt(0);
}

LogicalResult scatterAt(NodeContext &c) {
  const Operand &x = c.in[0], &indices = c.in[1], &updates = c.in[2];
  int64_t depth = indices.rank() ? indices.shape().back() : 0;
  if (depth < 1 || depth > x.rank())
    return c.e.error() << "ScatterND writes " << x.type() << " by indices "
                       << indices.type() << ", whose shapes do not agree";
  SmallVector<int64_t> wanted(indices.shape().drop_back());
  llvm::append_range(wanted, x.shape().drop_front(depth));
  auto type = RankedTensorType::get(wanted, x.elementType());
  if (updates.type() != type)
    return c.e.error() << "ScatterND has updates of type " << updates.type()
                       << ", expected " << type;
  auto adds = addsUpdates(c);
  if (failed(adds))
    return failure();
  auto places = mergedPlaces(c, indices, x.shape().take_front(depth));
  auto table = mergeDims(c, x, 0, depth);
  if (failed(places) || failed(table))
    return failure();
  MaybeOperand rows = failure();
  if (auto start = firstOfRange(*places); start && !*adds) {
    rows = mergeDims(c, updates, 0, indices.rank() - 1);
    if (succeeded(rows))
      rows = replaceRows(c, *table, *start, *rows);
  } else {
    rows = c.e.scatterRows(*table, *places, updates, 0, *adds);
  }
  return failed(rows) ? failure() : c.result(c.e.reshape(*rows, x.shape()));
}

//===----------------------------------------------------------------------===//
// ...Elements
//===----------------------------------------------------------------------===//

/// `x` with dimension `axis` exchanged with the last one: its own inverse.
MaybeOperand swapLast(NodeContext &c, const Operand &x, int64_t axis) {
  SmallVector<int64_t> perm;
  for (int64_t i = 0; i < x.rank(); ++i)
    perm.push_back(i);
  std::swap(perm[axis], perm.back());
  return c.e.transpose(x, perm);
}

/// The axis of GatherElements or ScatterElements, once types are checked.
FailureOr<int64_t> elementsAxis(NodeContext &c) {
  const Operand &x = c.in[0], &indices = c.in[1];
  if (x.rank() < 1 || x.rank() != indices.rank())
    return c.e.error() << c.node.opType << " of " << x.type() << " by indices "
                       << indices.type() << ", expected one rank above 0";
  if (failed(checkIndices(c, indices)))
    return failure();
  auto axis = c.axis(c.integer("axis", 0), x.rank());
  if (failed(axis))
    return failure();
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != *axis && indices.shape()[i] > x.shape()[i])
      return c.e.error() << c.node.opType << " has indices " << indices.type()
                         << " that reach over dimension " << i << " of "
                         << x.type();
  return axis;
}

LogicalResult gatherEach(NodeContext &c) {
  auto axis = elementsAxis(c);
  if (failed(axis))
    return failure();
  int64_t rank = c.in[0].rank();
  if (c.in[0].constant && c.in[1].constant) {
    MaybeTensor known =
        fsdp::onnx::gatherElements(*c.in[0].constant, *c.in[1].constant, *axis);
    if (!known)
      return c.e.error() << "GatherElements has an index that is outside of "
                         << c.in[0].type();
    c.out.push_back(Operand(std::move(*known)));
    return success();
  }
  // Rows that no index reads are left out.
  SmallVector<int64_t> zero(rank, 0), one(rank, 1), extents(c.in[1].shape());
  extents[*axis] = c.in[0].shape()[*axis];
  auto read = c.e.slice(c.in[0], zero, one, extents);
  auto table = failed(read) ? read : swapLast(c, *read, *axis);
  auto indices = swapLast(c, c.in[1], *axis);
  if (failed(table) || failed(indices))
    return failure();
  auto places = wrap(c, *indices, extents[*axis]);
  if (failed(places))
    return failure();
  auto rows = c.e.gatherRows(*table, places->index, rank - 1);
  return failed(rows) ? failure() : c.result(swapLast(c, *rows, *axis));
}

/// Where each element of `indices`, along the last axis of `shape`, is in all
/// of its elements.
MaybeOperand elementPlaces(NodeContext &c, const Operand &indices,
                           ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides = stridesOf(shape);
  SmallVector<int64_t> lead(indices.shape());
  lead.back() = 1;
  Tensor starts(indices.elementType(), lead);
  starts.resize(product(lead));
  forEachIndex(lead, [&](int64_t i, ArrayRef<int64_t> index) {
    for (size_t d = 0; d < index.size(); ++d)
      starts.ints[i] += index[d] * strides[d];
  });
  auto wrapped = wrap(c, indices, shape.back());
  Wrapped sum{Operand(std::move(starts)), {}};
  if (failed(wrapped) || failed(addPlaces(c, sum, *wrapped, 1)))
    return failure();
  return placesOf(c, sum, /*isSum=*/true);
}

LogicalResult scatterEach(NodeContext &c) {
  auto axis = elementsAxis(c);
  auto adds = addsUpdates(c);
  if (failed(axis) || failed(adds))
    return failure();
  if (c.in[2].shape() != c.in[1].shape() ||
      c.in[2].elementType() != c.in[0].elementType())
    return c.e.error() << c.node.opType << " has updates of type "
                       << c.in[2].type() << " for indices " << c.in[1].type();
  int64_t batch = c.in[0].rank() - 1;
  auto x = swapLast(c, c.in[0], *axis);
  auto indices = swapLast(c, c.in[1], *axis);
  auto updates = swapLast(c, c.in[2], *axis);
  if (failed(x) || failed(indices) || failed(updates))
    return failure();
  SmallVector<int64_t> shape(x->shape());
  MaybeOperand table = *x, places = failure();
  if (x->shape().drop_back() == indices->shape().drop_back()) {
    auto wrapped = wrap(c, *indices, shape.back());
    places = failed(wrapped) ? MaybeOperand(failure()) : wrapped->index;
  } else {
    // Indices leave rows out: one table of all elements.
    batch = 0;
    table = c.e.reshape(*x, {product(shape)});
    places = elementPlaces(c, *indices, shape);
  }
  if (failed(table) || failed(places))
    return failure();
  auto rows = c.e.scatterRows(*table, *places, *updates, batch, *adds);
  if (succeeded(rows))
    rows = c.e.reshape(*rows, shape);
  return failed(rows) ? failure() : c.result(swapLast(c, *rows, *axis));
}

/// Elements where a constant condition holds: a gather of known rows.
LogicalResult compress(NodeContext &c) {
  auto condition = c.constantInts(1);
  if (!condition)
    return failure();
  Operand x = c.in[0];
  int64_t axis = 0;
  if (c.attribute("axis")) {
    auto given = c.axis(c.integer("axis", 0), x.rank());
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    auto flat = c.e.reshape(x, {x.type().getNumElements()});
    if (failed(flat))
      return failure();
    x = *flat;
  }
  SmallVector<int64_t> kept;
  for (auto [i, keeps] : llvm::enumerate(*condition))
    if (keeps)
      kept.push_back(i);
  Tensor rows =
      Tensor::ofInts(c.e.builder.getI64Type(), {int64_t(kept.size())}, kept);
  return c.result(c.e.gather(x, Operand(std::move(rows)), axis, std::nullopt));
}
} // namespace

void fsdp::onnx::addIndexHandlers(HandlerTable &table) {
  table["GatherND"] = gatherAt;
  table["GatherElements"] = gatherEach;
  table["ScatterND"] = scatterAt;
  table["ScatterElements"] = scatterEach;
  table["Scatter"] = scatterEach;
  table["Compress"] = compress;
}
