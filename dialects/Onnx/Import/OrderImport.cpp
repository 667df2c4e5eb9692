//===- OrderImport.cpp - The largest, one-hot, running sums, reversal -----===//
#include "dialects/Onnx/Import/Handlers.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// The k largest along `axis`, which is moved to the end and back.
FailureOr<std::pair<Operand, Operand>> largestAlong(NodeContext &c,
                                                    const Operand &x,
                                                    int64_t axis, int64_t k,
                                                    bool smallest) {
  SmallVector<int64_t> perm;
  for (int64_t i = 0; i < x.rank(); ++i)
    perm.push_back(i);
  std::swap(perm[axis], perm.back());
  auto moved = c.e.transpose(x, perm);
  if (failed(moved))
    return failure();
  auto top = c.e.topK(*moved, k, smallest);
  if (failed(top))
    return failure();
  auto values = c.e.transpose(top->first, perm);
  auto indices = c.e.transpose(top->second, perm);
  if (failed(values) || failed(indices))
    return failure();
  return std::pair(*values, *indices);
}

/// Sorted whether asked for or not: any order is allowed then.
LogicalResult largest(NodeContext &c) {
  auto axis = c.axis(c.integer("axis", -1), c.in[0].rank());
  if (failed(axis))
    return failure();
  std::optional<int64_t> k;
  if (c.attribute("k"))
    k = c.integer("k", 0);
  else if (auto given = c.constantInts(1); given && given->size() == 1)
    k = given->front();
  if (!k)
    return failure();
  auto top = largestAlong(c, c.in[0], *axis, *k,
                          /*smallest=*/!c.integer("largest", 1));
  if (failed(top))
    return failure();
  c.out = {top->first, top->second};
  return success();
}

/// `x` backwards along `axis`.
MaybeOperand reversed(NodeContext &c, const Operand &x, int64_t axis) {
  SmallVector<int64_t> starts(x.rank(), 0), steps(x.rank(), 1);
  starts[axis] = x.shape()[axis] - 1;
  steps[axis] = -1;
  return c.e.slice(x, starts, steps, x.shape());
}

template <bool smallest> LogicalResult argBest(NodeContext &c) {
  const Operand &x = c.in[0];
  auto axis = c.axis(c.integer("axis", 0), x.rank());
  if (failed(axis))
    return failure();
  int64_t extent = x.shape()[*axis];
  bool last = c.integer("select_last_index", 0);
  MaybeOperand from = last && extent > 0 ? reversed(c, x, *axis) : x;
  if (failed(from))
    return failure();
  auto best = largestAlong(c, *from, *axis, 1, smallest);
  if (failed(best))
    return failure();
  MaybeOperand index = best->second;
  if (last)
    index = c.e.binary(Binary::Sub, c.e.scalarLike(*index, double(extent - 1)),
                       *index);
  if (failed(index))
    return failure();
  SmallVector<int64_t> shape(index->shape());
  if (!c.integer("keepdims", 1))
    shape.erase(shape.begin() + *axis);
  return c.result(c.e.reshape(*index, shape));
}

/// off and on, chosen where the index is the place along the new axis; an index
/// outside of [-depth, depth) is nowhere.
LogicalResult oneHot(NodeContext &c) {
  if (!c.in[1].constant || c.in[1].constant->stored() != 1)
    return failure();
  double given = c.in[1].constant->asFloat(0);
  int64_t depth = given >= 1 && given < 0x1p62 ? int64_t(given) : 0;
  if (depth < 1 || c.in[2].type().getShape() != ArrayRef<int64_t>{2})
    return c.e.error() << "OneHot has depth " << given << " and values "
                       << c.in[2].type()
                       << ", expected a depth above 0 and two values";
  auto axis = c.axis(c.integer("axis", -1), c.in[0].rank() + 1);
  auto indices = c.e.cast(c.in[0], c.e.builder.getI64Type());
  if (failed(axis) || failed(indices))
    return failure();
  SmallVector<int64_t> shape(indices->shape()), places(shape.size() + 1, 1);
  shape.insert(shape.begin() + *axis, 1);
  places[*axis] = depth;
  auto index = c.e.reshape(*indices, shape);
  if (!c.e.checkSize(places, /*computed=*/true))
    return failure();
  SmallVector<int64_t> numbers(depth);
  for (int64_t i = 0; i < depth; ++i)
    numbers[i] = i;
  Operand place(Tensor::ofInts(c.e.builder.getI64Type(), places, numbers));
  if (failed(index))
    return failure();
  auto fromEnd =
      c.e.binary(Binary::Add, *index, c.e.scalarLike(*index, double(depth)));
  auto isHere = c.e.binary(Binary::Equal, *index, place);
  if (failed(fromEnd) || failed(isHere))
    return failure();
  auto isFromEnd = c.e.binary(Binary::Equal, *fromEnd, place);
  if (failed(isFromEnd))
    return failure();
  auto isOn = c.e.binary(Binary::Or, *isHere, *isFromEnd);
  auto values = c.e.split(c.in[2], 0, {1, 1});
  if (failed(isOn) || failed(values))
    return failure();
  auto off = c.e.reshape((*values)[0], {}), on = c.e.reshape((*values)[1], {});
  if (failed(off) || failed(on))
    return failure();
  return c.result(c.e.where(*isOn, *on, *off));
}

LogicalResult cumulativeSum(NodeContext &c) {
  auto axis = c.constantInts(1);
  if (!axis || axis->size() != 1)
    return failure();
  auto at = c.axis(axis->front(), c.in[0].rank());
  if (failed(at))
    return failure();
  if (c.in[0].elementType().isInteger(1))
    return c.e.error() << "CumSum of truth values";
  return c.result(c.e.cumsum(c.in[0], *at, c.integer("exclusive", 0),
                             c.integer("reverse", 0)));
}

/// Of each entry of the batch the first `lengths[b]` steps are read backwards,
/// where these are known: rows of indices, [batch, time].
LogicalResult reverseSequence(NodeContext &c) {
  const Operand &x = c.in[0];
  int64_t batch = c.integer("batch_axis", 1), time = c.integer("time_axis", 0);
  if (x.rank() < 2 || batch + time != 1 || batch * time != 0)
    return c.e.error() << "ReverseSequence of " << x.type()
                       << " with batch_axis " << batch << " and time_axis "
                       << time << ", expected rank 2 or more, and axes 0 and 1";
  auto lengths = c.constantInts(1);
  if (!lengths)
    return failure();
  int64_t batches = x.shape()[batch], steps = x.shape()[time];
  if (int64_t(lengths->size()) != batches)
    return c.e.error() << "ReverseSequence has " << lengths->size()
                       << " lengths for " << batches << " sequences";
  if (!c.e.checkSize({batches, steps}, /*computed=*/true))
    return failure();
  SmallVector<int64_t> places, perm;
  for (int64_t length : *lengths) {
    if (length < 0 || length > steps)
      return c.e.error() << "ReverseSequence has length " << length
                         << ", expected 0 to " << steps;
    for (int64_t t = 0; t < steps; ++t)
      places.push_back(t < length ? length - 1 - t : t);
  }
  for (int64_t i = 0; i < x.rank(); ++i)
    perm.push_back(i < 2 && batch == 1 ? 1 - i : i);
  auto table = c.e.transpose(x, perm);
  if (failed(table))
    return failure();
  auto rows = c.e.gatherRows(*table,
                             Operand(Tensor::ofInts(c.e.builder.getI64Type(),
                                                    {batches, steps}, places)),
                             1);
  return failed(rows) ? failure() : c.result(c.e.transpose(*rows, perm));
}
} // namespace

void fsdp::onnx::addOrderHandlers(HandlerTable &table) {
  table["TopK"] = largest;
  table["ArgMax"] = argBest<false>;
  table["ArgMin"] = argBest<true>;
  table["OneHot"] = oneHot;
  table["CumSum"] = cumulativeSum;
  table["ReverseSequence"] = reverseSequence;
}
