//===- ShapeImport.cpp - Shapes, and what only constants may go through ---===//
#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/Import/ProtoTypes.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// The result of an evaluation that only constants can have.
LogicalResult known(NodeContext &c, MaybeTensor tensor) {
  if (!tensor)
    return c.e.error() << c.node.opType
                       << " of these constants is not defined: their shapes "
                          "or indices do not agree";
  c.out.push_back(Operand(std::move(*tensor)));
  return success();
}

bool allConstant(NodeContext &c) {
  return llvm::all_of(
      c.in, [](const Operand &x) { return !x.present() || x.constant; });
}

LogicalResult shapeOf(NodeContext &c) {
  SmallVector<int64_t> shape(c.in[0].shape());
  int64_t rank = shape.size();
  auto clamp = [&](int64_t place) {
    return std::clamp<int64_t>(place < 0 ? place + rank : place, 0, rank);
  };
  int64_t start = clamp(c.integer("start", 0)),
          end = clamp(c.integer("end", rank));
  ArrayRef<int64_t> part =
      ArrayRef<int64_t>(shape).slice(start, std::max<int64_t>(end - start, 0));
  return known(c, Tensor::ofInts(c.e.builder.getI64Type(),
                                 {int64_t(part.size())}, part));
}

LogicalResult sizeOf(NodeContext &c) {
  return known(c, Tensor::ofInts(c.e.builder.getI64Type(), {},
                                 {c.in[0].type().getNumElements()}));
}

LogicalResult range(NodeContext &c) {
  if (!allConstant(c) || c.in.size() != 3)
    return failure();
  const Tensor &start = *c.in[0].constant, &limit = *c.in[1].constant,
               &delta = *c.in[2].constant;
  if (start.stored() != 1 || limit.stored() != 1 || delta.stored() != 1 ||
      delta.asFloat(0) == 0)
    return c.e.error() << "Range has operands that are no scalars, or a step "
                          "of 0";
  double span = (limit.asFloat(0) - start.asFloat(0)) / delta.asFloat(0);
  double count = std::max(0.0, std::ceil(span));
  if (!(count <= double(maxFoldedBytes)))
    return c.e.error() << "Range makes " << count << " elements";
  Tensor result(start.elementType, {int64_t(count)});
  result.resize(int64_t(count));
  for (int64_t i = 0; i < int64_t(count); ++i)
    if (result.isFloat())
      result.setFloat(i, start.asFloat(0) + double(i) * delta.asFloat(0));
    else
      result.ints[i] = start.asInt(0) + i * delta.asInt(0);
  return known(c, std::move(result));
}

LogicalResult constantOfShape(NodeContext &c) {
  auto shape = c.constantInts(0);
  if (!shape)
    return failure();
  if (!countElements(*shape))
    return c.e.error() << "ConstantOfShape makes an impossible shape";
  Tensor value = Tensor::splat(c.e.builder.getF32Type(), {}, 0);
  if (c.attribute("value")) {
    auto given = c.tensor("value");
    if (failed(given))
      return failure();
    if (given->stored() != 1)
      return c.e.error() << "ConstantOfShape has a value of " << given->stored()
                         << " elements, expected one";
    value = *given;
  }
  Tensor result(value.elementType, *shape);
  if (*countElements(*shape) > 0) {
    result.resize(1);
    result.copy(0, value, 0);
  }
  return known(c, std::move(result));
}

LogicalResult reshapeTo(NodeContext &c) {
  auto wanted = c.ints(1, "shape");
  if (!wanted)
    return failure();
  SmallVector<int64_t> shape = *wanted;
  int64_t count = c.in[0].type().getNumElements(), rest = 1, open = -1;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == 0 && !c.integer("allowzero", 0)) {
      if (int64_t(i) >= c.in[0].rank())
        return c.e.error() << "Reshape copies dimension " << i << " of "
                           << c.in[0].type() << ", which it has not";
      extent = c.in[0].shape()[i];
    }
    if (extent == -1 && open < 0)
      open = i;
    else if (extent < 0 || (extent && rest > (int64_t(1) << 48) / extent))
      return c.e.error() << "Reshape to an impossible shape";
    else
      rest *= extent;
  }
  if (open >= 0) {
    if (rest == 0 || count % rest)
      return c.e.error() << "cannot reshape " << c.in[0].type()
                         << ": its elements are no multiple of " << rest;
    shape[open] = count / rest;
  }
  return c.result(c.e.reshape(c.in[0], shape));
}

LogicalResult unsqueeze(NodeContext &c) {
  auto wanted = c.ints(1, "axes");
  if (!wanted)
    return failure();
  int64_t rank = c.in[0].rank() + wanted->size();
  auto axes = c.axes(*wanted, rank);
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape;
  auto next = c.in[0].shape().begin();
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(llvm::is_contained(*axes, i) ? 1 : *next++);
  return c.result(c.e.reshape(c.in[0], shape));
}

LogicalResult squeeze(NodeContext &c) {
  auto wanted = c.ints(1, "axes");
  if (!wanted && c.has(1))
    return failure();
  SmallVector<int64_t> all;
  for (auto [i, extent] : llvm::enumerate(c.in[0].shape()))
    if (extent == 1)
      all.push_back(i);
  auto axes = c.axes(wanted ? *wanted : all, c.in[0].rank());
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(c.in[0].shape())) {
    if (!llvm::is_contained(*axes, int64_t(i)))
      shape.push_back(extent);
    else if (extent != 1)
      return c.e.error() << "Squeeze of dimension " << i << " of "
                         << c.in[0].type() << ", which is not 1";
  }
  return c.result(c.e.reshape(c.in[0], shape));
}

LogicalResult flatten(NodeContext &c) {
  int64_t rank = c.in[0].rank(), at = c.integer("axis", 1);
  at = at < 0 ? at + rank : at;
  if (at < 0 || at > rank)
    return c.e.error() << "Flatten at axis " << at << " of rank " << rank;
  SmallVector<int64_t> shape = {1, 1};
  for (auto [i, extent] : llvm::enumerate(c.in[0].shape()))
    shape[int64_t(i) >= at] *= extent;
  return c.result(c.e.reshape(c.in[0], shape));
}

LogicalResult expandTo(NodeContext &c) {
  auto shape = c.constantInts(1);
  return shape ? c.result(c.e.expand(c.in[0], *shape)) : failure();
}

/// On a value that is not constant, the triangle is chosen by a constant.
LogicalResult trilu(NodeContext &c) {
  int64_t rank = c.in[0].rank();
  auto diagonal =
      c.has(1) ? c.constantInts(1) : std::optional(SmallVector<int64_t>{0});
  if (!diagonal || diagonal->size() != 1)
    return failure();
  if (rank < 2)
    return c.e.error() << "Trilu of rank " << rank;
  if (!c.e.checkSize(c.in[0].shape().take_back(2), /*computed=*/true))
    return failure();
  bool upper = c.integer("upper", 1);
  if (c.in[0].constant)
    return known(c, triangle(*c.in[0].constant, diagonal->front(), upper));
  Tensor kept = triangle(
      Tensor::splat(c.e.builder.getI1Type(), c.in[0].shape().take_back(2), 1),
      diagonal->front(), upper);
  return c.result(
      c.e.where(Operand(std::move(kept)), c.in[0], c.e.scalarLike(c.in[0], 0)));
}

LogicalResult eyeLike(NodeContext &c) {
  if (c.in[0].rank() != 2)
    return c.e.error() << "EyeLike of rank " << c.in[0].rank();
  Type type = c.attribute("dtype") ? elementTypeOf(c.integer("dtype", 0),
                                                   c.e.builder.getContext())
                                   : c.in[0].elementType();
  if (!type || !c.e.checkSize(c.in[0].shape(), /*computed=*/true))
    return failure();
  Tensor one = Tensor::splat(type, c.in[0].shape(), 1);
  int64_t k = c.integer("k", 0);
  return known(c, triangle(triangle(one, k, true), k, false));
}

LogicalResult nonZeroAt(NodeContext &c) {
  if (!allConstant(c))
    return failure();
  return known(c, nonZero(*c.in[0].constant, c.e.builder.getI64Type()));
}

LogicalResult tile(NodeContext &c) {
  auto repeats = c.constantInts(1);
  if (!repeats)
    return failure();
  int64_t rank = c.in[0].rank();
  if (int64_t(repeats->size()) != rank)
    return c.e.error() << "Tile needs one repeat a dimension";
  // [a, b] -> [1, a, 1, b] -> [r, a, s, b] -> [ra, sb].
  SmallVector<int64_t> apart, full, shape;
  for (auto [extent, repeat] : llvm::zip(c.in[0].shape(), *repeats)) {
    if (repeat < 0)
      return c.e.error() << "Tile repeats " << repeat << " times";
    apart.append({1, extent});
    full.append({repeat, extent});
    shape.push_back(repeat * extent);
  }
  MaybeOperand x = c.e.reshape(c.in[0], apart);
  if (succeeded(x))
    x = c.e.expand(*x, full);
  return failed(x) ? failure() : c.result(c.e.reshape(*x, shape));
}
} // namespace

void fsdp::onnx::addShapeHandlers(HandlerTable &table) {
  table["Shape"] = shapeOf;
  table["Size"] = sizeOf;
  table["Range"] = range;
  table["ConstantOfShape"] = constantOfShape;
  table["Reshape"] = reshapeTo;
  table["Unsqueeze"] = unsqueeze;
  table["Squeeze"] = squeeze;
  table["Flatten"] = flatten;
  table["Expand"] = expandTo;
  table["Tile"] = tile;
  table["Trilu"] = trilu;
  table["EyeLike"] = eyeLike;
  table["NonZero"] = nonZeroAt;
}
