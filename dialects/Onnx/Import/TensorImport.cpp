//===- TensorImport.cpp - Slices, joins, gathers, pads --------------------===//
#include "dialects/Onnx/Import/Handlers.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
LogicalResult transposeTo(NodeContext &c) {
  SmallVector<int64_t> perm;
  if (auto given = c.attribute("perm"))
    perm.assign(given->ints.begin(), given->ints.end());
  else
    for (int64_t i = c.in[0].rank(); i-- > 0;)
      perm.push_back(i);
  return c.result(c.e.transpose(c.in[0], perm));
}

LogicalResult concatAll(NodeContext &c) {
  for (const Operand &x : c.in)
    if (x.rank() != c.in[0].rank())
      return c.e.error() << "Concat of " << c.in[0].type() << " and "
                         << x.type();
  auto axis = c.axis(c.integer("axis", 0), c.in[0].rank());
  if (failed(axis))
    return failure();
  return c.result(c.e.concat(c.in, *axis));
}

/// Starts, ends, axes and steps: operands since opset 10, attributes before.
LogicalResult sliceOf(NodeContext &c) {
  int64_t rank = c.in[0].rank();
  auto starts = c.ints(1, "starts"), ends = c.ints(2, "ends");
  auto axes = c.ints(3, "axes"), steps = c.constantInts(4);
  if (!starts || !ends || (c.has(3) && !axes) || (c.has(4) && !steps))
    return failure();
  size_t count = starts->size();
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < count; ++i)
      axes->push_back(i);
  }
  if (ends->size() != count || axes->size() != count ||
      (steps && steps->size() != count))
    return c.e.error() << "Slice has lists of different lengths";
  auto at = c.axes(*axes, rank);
  if (failed(at))
    return failure();
  SmallVector<int64_t> from(rank, 0), by(rank, 1), extents(c.in[0].shape());
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = (*at)[i], extent = extents[axis];
    int64_t step = steps ? (*steps)[i] : 1;
    if (step == 0 || step == INT64_MIN)
      return c.e.error() << "Slice has a step of " << step;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
    auto clamp = [&](int64_t place) {
      return std::clamp(place < 0 ? place + extent : place, low, high);
    };
    int64_t start = clamp((*starts)[i]), end = clamp((*ends)[i]);
    int64_t span = step > 0 ? end - start : start - end;
    int64_t size = std::abs(step);
    extents[axis] = span <= 0 ? 0 : (span - 1) / size + 1;
    from[axis] = extents[axis] ? start : 0;
    by[axis] = step;
  }
  return c.result(c.e.slice(c.in[0], from, by, extents));
}

/// The extents of a Split into the given sizes, or into `parts` equal ones.
FailureOr<SmallVector<int64_t>> splitExtents(NodeContext &c, int64_t axis,
                                             int64_t parts) {
  int64_t extent = c.in[0].shape()[axis];
  if (auto sizes = c.ints(1, "split"))
    return *sizes;
  if (c.has(1))
    return failure();
  if (parts <= 0 || size_t(parts) != c.node.outputs.size())
    return c.e.error() << "Split into " << parts << " parts, with "
                       << c.node.outputs.size() << " results";
  // The last part is smaller where the extent is no multiple.
  int64_t size = (extent + parts - 1) / parts;
  SmallVector<int64_t> extents;
  for (int64_t i = 0; i < parts; ++i)
    extents.push_back(std::clamp<int64_t>(extent - i * size, 0, size));
  return extents;
}

LogicalResult splitInto(NodeContext &c) {
  auto axis = c.axis(c.integer("axis", 0), c.in[0].rank());
  if (failed(axis))
    return failure();
  auto extents =
      splitExtents(c, *axis, c.integer("num_outputs", c.node.outputs.size()));
  if (failed(extents))
    return failure();
  auto parts = c.e.split(c.in[0], *axis, *extents);
  if (failed(parts))
    return failure();
  c.out.assign(parts->begin(), parts->end());
  return success();
}

/// More parts than a model has: each is an op and a value.
constexpr int64_t maxParts = 1 << 16;

LogicalResult splitToSequence(NodeContext &c) {
  auto axis = c.axis(c.integer("axis", 0), c.in[0].rank());
  auto sizes = c.constantInts(1);
  if (failed(axis) || (c.has(1) && !sizes))
    return failure();
  int64_t extent = c.in[0].shape()[*axis];
  bool keepdims = c.has(1) || c.integer("keepdims", 1);
  SmallVector<int64_t> extents;
  if (c.has(1) && c.in[1].rank() > 0) {
    extents = *sizes;
  } else {
    int64_t size = sizes && !sizes->empty() ? sizes->front() : 1;
    if (size <= 0 || extent / size > maxParts)
      return c.e.error() << "SplitToSequence of an extent of " << extent
                         << " into parts of " << size;
    for (int64_t at = 0; at < extent; at += size)
      extents.push_back(std::min(size, extent - at));
  }
  auto parts = c.e.split(c.in[0], *axis, extents);
  if (failed(parts))
    return failure();
  Operand sequence;
  sequence.sequence = std::make_shared<std::vector<Operand>>();
  for (Operand &part : *parts) {
    SmallVector<int64_t> shape(part.shape());
    if (!keepdims)
      shape.erase(shape.begin() + *axis);
    MaybeOperand kept = c.e.reshape(part, shape);
    if (failed(kept))
      return failure();
    sequence.sequence->push_back(*kept);
  }
  c.out.push_back(sequence);
  return success();
}

LogicalResult sequenceConstruct(NodeContext &c) {
  Operand sequence;
  sequence.sequence = std::make_shared<std::vector<Operand>>(c.in);
  c.out.push_back(sequence);
  return success();
}

LogicalResult sequenceAt(NodeContext &c) {
  auto place = c.constantInts(1);
  if (!c.in[0].sequence || !place || place->size() != 1)
    return failure();
  int64_t count = c.in[0].sequence->size(), i = place->front();
  i = i < 0 ? i + count : i;
  if (i < 0 || i >= count)
    return c.e.error() << "SequenceAt reads part " << place->front() << " of "
                       << count;
  c.out.push_back((*c.in[0].sequence)[i]);
  return success();
}

LogicalResult concatFromSequence(NodeContext &c) {
  if (!c.in[0].sequence || c.in[0].sequence->empty())
    return failure();
  bool isNew = c.integer("new_axis", 0);
  std::vector<Operand> parts = *c.in[0].sequence;
  auto axis = c.axis(c.integer("axis", 0), parts[0].rank() + isNew);
  if (failed(axis))
    return failure();
  for (Operand &part : parts) {
    SmallVector<int64_t> shape(part.shape());
    if (int64_t(shape.size()) < *axis)
      return c.e.error() << "ConcatFromSequence of different ranks";
    if (isNew)
      shape.insert(shape.begin() + *axis, 1);
    MaybeOperand kept = c.e.reshape(part, shape);
    if (failed(kept))
      return failure();
    part = *kept;
  }
  return c.result(c.e.concat(parts, *axis));
}

/// Embeddings have a place in their record that Gather has not: padding_idx.
std::optional<int64_t> paddingIdx(const Node &node) {
  CallRecord call = parseCall(node.fxNode);
  if (call.target != "embedding")
    return std::nullopt;
  int64_t row;
  if (call.argument(2, "padding_idx").getAsInteger(10, row) || row < 0)
    return std::nullopt;
  return row;
}

LogicalResult gatherRows(NodeContext &c) {
  auto axis = c.axis(c.integer("axis", 0), c.in[0].rank());
  if (failed(axis))
    return failure();
  if (isa<FloatType>(c.in[1].elementType()))
    return c.e.error() << "Gather has indices of type " << c.in[1].type();
  auto padding = c.paddingRow ? c.paddingRow : paddingIdx(c.node);
  Operand indices = c.in[1];
  // PyTorch's embeddings refuse negative indices, as the kernel does.
  if (indices.value && parseCall(c.node.fxNode).target != "embedding") {
    auto wrapped = wrapIndices(c, indices, c.in[0].shape()[*axis]);
    if (failed(wrapped))
      return failure();
    indices = *wrapped;
  }
  return c.result(c.e.gather(c.in[0], indices, *axis, padding));
}

/// Where along an extent the elements of the padded one come from: `low` before
/// the first, `high` after the last; nothing for a mode that there is not.
std::optional<SmallVector<int64_t>> paddedPlaces(StringRef mode, int64_t extent,
                                                 int64_t low, int64_t high) {
  SmallVector<int64_t> places;
  int64_t period = std::max<int64_t>(2 * (extent - 1), 1);
  for (int64_t i = -low; i < extent + high; ++i) {
    int64_t inPeriod = ((i % period) + period) % period;
    if (mode == "edge")
      places.push_back(std::clamp<int64_t>(i, 0, extent - 1));
    else if (mode == "wrap")
      places.push_back(((i % extent) + extent) % extent);
    else if (mode == "reflect")
      places.push_back(std::min(inPeriod, period - inPeriod));
    else
      return std::nullopt;
  }
  return places;
}

/// Pads with elements of x itself.
LogicalResult padWithOwn(NodeContext &c, StringRef mode, ArrayRef<int64_t> low,
                         ArrayRef<int64_t> extents) {
  MaybeOperand y = c.in[0];
  for (int64_t i = 0, rank = c.in[0].rank(); i < rank && succeeded(y); ++i) {
    int64_t extent = c.in[0].shape()[i];
    if (extents[i] == extent && low[i] == 0)
      continue;
    if (extent == 0 || extents[i] < 0)
      return c.e.error() << "Pad of dimension " << i << " of " << c.in[0].type()
                         << " to " << extents[i] << " elements in mode '"
                         << mode << "'";
    if (!c.e.checkSize(extents[i], /*computed=*/true))
      return failure();
    auto places =
        paddedPlaces(mode, extent, low[i], extents[i] - extent - low[i]);
    if (!places)
      return failure();
    y = c.e.gather(*y,
                   Tensor::ofInts(c.e.builder.getI64Type(),
                                  int64_t(places->size()), *places),
                   i, std::nullopt);
  }
  return c.result(y);
}

LogicalResult padWith(NodeContext &c) {
  auto pads = c.ints(1, "pads");
  std::string mode = c.text("mode", "constant");
  if (!pads)
    return failure();
  int64_t rank = c.in[0].rank();
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i)
    axes.push_back(i);
  if (c.has(3)) {
    auto given = c.constantInts(3);
    if (!given)
      return failure();
    auto at = c.axes(*given, rank);
    if (failed(at))
      return failure();
    axes = *at;
  }
  if (pads->size() != 2 * axes.size())
    return c.e.error() << "Pad has " << pads->size() << " pads for "
                       << axes.size() << " dimensions";
  double value = c.real("value", 0);
  if (c.has(2)) {
    if (!c.in[2].constant || c.in[2].constant->stored() != 1)
      return failure();
    value = c.in[2].constant->asFloat(0);
  }
  SmallVector<int64_t> low(rank, 0), extents(c.in[0].shape());
  constexpr int64_t most = int64_t(1) << 48;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    int64_t high = (*pads)[i + axes.size()];
    low[axis] = (*pads)[i];
    if (std::clamp(high, -most, most) != high ||
        std::clamp(low[axis], -most, most) != low[axis])
      return c.e.error() << "Pad by " << low[axis] << " and " << high;
    extents[axis] += low[axis] + high;
  }
  if (mode != "constant")
    return padWithOwn(c, mode, low, extents);
  return c.result(c.e.pad(c.in[0], low, extents, value));
}
} // namespace

bool fsdp::onnx::takesSequence(StringRef opType) {
  return opType == "SequenceAt" || opType == "ConcatFromSequence";
}

void fsdp::onnx::addTensorHandlers(HandlerTable &table) {
  table["Transpose"] = transposeTo;
  table["Concat"] = concatAll;
  table["Slice"] = sliceOf;
  table["Split"] = splitInto;
  table["SplitToSequence"] = splitToSequence;
  table["SequenceConstruct"] = sequenceConstruct;
  table["SequenceAt"] = sequenceAt;
  table["ConcatFromSequence"] = concatFromSequence;
  table["Gather"] = gatherRows;
  table["Pad"] = padWith;
}
