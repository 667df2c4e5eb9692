//===- Places.cpp - Indices as places in a table --------------------------===//
#include "dialects/Onnx/Import/Places.h"
#include "dialects/Onnx/IndexSpace.h"

using namespace mlir;
using namespace fsdp::onnx;

/// Whether `op` gives its operand's elements as they are. A narrower type than
/// those of places may wrap them.
static bool onlyMoves(Operation *op) {
  if (auto convert = dyn_cast_or_null<CastOp>(op)) {
    Type type = cast<RankedTensorType>(convert.getType()).getElementType();
    return type.isInteger(32) || type.isInteger(64);
  }
  return isa_and_nonnull<ReshapeOp, TransposeOp, SliceOp, ExpandOp>(op);
}

/// Where what `value` holds comes from, past ops that only move it.
static Value originOf(Value value) {
  while (onlyMoves(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Whether all of `value` is known to lie in [0, extent): places of the
/// largest of as many.
static bool isWithin(Value value, int64_t extent) {
  auto result = dyn_cast<OpResult>(originOf(value));
  auto top = result ? dyn_cast<TopKOp>(result.getOwner()) : nullptr;
  return top && result == top.getIndices() &&
         cast<RankedTensorType>(top.getX().getType()).getShape().back() <=
             extent;
}

static FailureOr<Wrapped> wrapConstant(NodeContext &c, const Tensor &given,
                                       int64_t extent) {
  Tensor wrapped = given;
  for (int64_t &index : wrapped.ints) {
    int64_t asGiven = index;
    index = index < 0 ? index + extent : index;
    if (index < 0 || index >= extent)
      return c.e.error() << c.node.opType << " has index " << asGiven
                         << " into " << extent << " elements";
  }
  return Wrapped{Operand(std::move(wrapped)), {}};
}

LogicalResult fsdp::onnx::checkIndices(NodeContext &c, const Operand &given) {
  if (isa<IntegerType>(given.elementType()) &&
      !given.elementType().isInteger(1))
    return success();
  return c.e.error() << c.node.opType << " has indices of type " << given.type()
                     << ", expected whole numbers";
}

FailureOr<Wrapped> fsdp::onnx::wrap(NodeContext &c, const Operand &given,
                                    int64_t extent) {
  if (failed(checkIndices(c, given)))
    return failure();
  if (given.constant)
    return wrapConstant(c, *given.constant, extent);
  if (isWithin(given.value, extent))
    return Wrapped{given, {}};
  Operand zero = c.e.scalarLike(given, 0),
          size = c.e.scalarLike(given, double(extent));
  auto isNegative = c.e.binary(Binary::Less, given, zero);
  auto fromEnd = c.e.binary(Binary::Add, given, size);
  if (failed(isNegative) || failed(fromEnd))
    return failure();
  auto index = c.e.where(*isNegative, *fromEnd, given);
  if (failed(index))
    return failure();
  auto below = c.e.binary(Binary::Less, *index, zero);
  auto above = c.e.binary(Binary::GreaterOrEqual, *index, size);
  if (failed(below) || failed(above))
    return failure();
  auto outside = c.e.binary(Binary::Or, *below, *above);
  return failed(outside) ? FailureOr<Wrapped>(failure())
                         : Wrapped{*index, *outside};
}

LogicalResult fsdp::onnx::addPlaces(NodeContext &c, Wrapped &sum,
                                    const Wrapped &next, int64_t stride) {
  MaybeOperand scaled = next.index;
  if (stride != 1)
    scaled = c.e.binary(Binary::Mul, next.index,
                        c.e.scalarLike(next.index, double(stride)));
  if (succeeded(scaled) && sum.index.present())
    scaled = c.e.binary(Binary::Add, sum.index, *scaled);
  if (failed(scaled))
    return failure();
  sum.index = *scaled;
  if (!next.outside.present())
    return success();
  MaybeOperand outside = next.outside;
  if (sum.outside.present())
    outside = c.e.binary(Binary::Or, sum.outside, next.outside);
  if (failed(outside))
    return failure();
  sum.outside = *outside;
  return success();
}

MaybeOperand fsdp::onnx::placesOf(NodeContext &c, const Wrapped &sum,
                                  bool isSum) {
  if (!isSum || !sum.outside.present())
    return sum.index;
  return c.e.where(sum.outside, c.e.scalarLike(sum.index, -1), sum.index);
}

MaybeOperand fsdp::onnx::mergedPlaces(NodeContext &c, const Operand &indices,
                                      ArrayRef<int64_t> extents) {
  SmallVector<int64_t> strides = stridesOf(extents);
  ArrayRef<int64_t> whole = indices.shape();
  SmallVector<int64_t> starts(whole.size(), 0), steps(whole.size(), 1),
      part(whole);
  part.back() = 1;
  Wrapped sum;
  for (size_t d = 0; d < extents.size(); ++d) {
    starts.back() = d;
    MaybeOperand one = c.e.slice(indices, starts, steps, part);
    if (succeeded(one))
      one = c.e.reshape(*one, whole.drop_back());
    if (failed(one))
      return failure();
    auto wrapped = wrap(c, *one, extents[d]);
    if (failed(wrapped) || failed(addPlaces(c, sum, *wrapped, strides[d])))
      return failure();
  }
  return placesOf(c, sum, extents.size() > 1);
}
MaybeOperand fsdp::onnx::wrapIndices(NodeContext &c, const Operand &indices,
                                     int64_t extent) {
  // Tokens are never negative.
  if (indices.value && isa<BlockArgument>(originOf(indices.value)))
    return indices;
  auto wrapped = wrap(c, indices, extent);
  return failed(wrapped) ? MaybeOperand(failure()) : wrapped->index;
}
