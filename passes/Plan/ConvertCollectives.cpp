//===- ConvertCollectives.cpp - Gathers, reductions, their waits ----------===//
#include "passes/Plan/PhaseConverter.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

static LayoutAttr layoutOf(TypeRange shards) {
  return cast<ShardedType>(shards.front()).getLayout();
}

/// Null where whole shards are exchanged.
static DenseI64ArrayAttr segmentsOf(LayoutAttr layout) {
  SmallVector<int64_t> segments = layout.getSegments();
  return segments.empty()
             ? DenseI64ArrayAttr()
             : DenseI64ArrayAttr::get(layout.getContext(), segments);
}

/// Zeroes what lies between and behind the parameters of a gradient line: the
/// norm counts it and the update reads it.
void PhaseConverter::zeroGaps(const LineBuffers &line, Slice buffer) {
  LayoutAttr layout = line.line.get().getReduceLayout();
  int64_t end = 0;
  auto zeroUpTo = [&](int64_t begin) {
    if (begin > end)
      fill({buffer.buffer, end, begin - end}, "zero_padding",
           line.line.unitName());
  };
  for (size_t i = 0; i < layout.getTypes().size(); ++i) {
    Slice parameter = parameterSlice(layout, i, {buffer.buffer, 0, 0});
    zeroUpTo(parameter.begin);
    end = parameter.begin + parameter.bytes;
  }
  zeroUpTo(buffer.bytes);
}

/// Whether the shards that `op` gathers are written while what it gathers is in
/// use yet.
bool PhaseConverter::isUpdatedInUse(AllGatherStartOp op) {
  int64_t lastRead = 0;
  for (Operation *user : op.getPending().getUsers())
    for (Value value : user->getResults())
      lastRead = std::max(lastRead, lastUse.lookup(value));
  return llvm::any_of(block.getOps<UpdateOp>(), [&](UpdateOp update) {
    return update.getUnit() == op.getUnit() &&
           update.getLine() == op.getLine() && placeOf[update] < lastRead;
  });
}

IntegerAttr PhaseConverter::communicator(StringRef purpose,
                                         ArrayRef<StringAttr> axes,
                                         rt::Stream stream) {
  return phase.getBuilder().getI64IntegerAttr(
      program.communicators.get(purpose, program.mesh, axes, stream));
}

/// Adds what the target's ranks need to sum parts that all take `allBytes`.
void PhaseConverter::addSumScratch(SmallVectorImpl<Attribute> &args,
                                   StringRef name, int64_t allBytes,
                                   StringRef unit) {
  int64_t bytes = program.target.getSumScratchBytes(allBytes);
  if (bytes)
    args.push_back(
        phase.arg(rt::Access::Scratch,
                  createWork(name, rt::BufferKind::Scratch, bytes, unit)));
}

void PhaseConverter::convert(AllGatherStartOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  LayoutAttr layout = layoutOf(op.getShards().getTypes());
  // A step gathers the source, a checkpoint the master.
  Slice from = layout == line.layout() ? line.shard : line.source;
  // One rank has the line already.
  if (program.world == 1 && !isUpdatedInUse(op)) {
    pendings[op.getPending()] = {Value(), from};
    return;
  }
  // What all microbatches of a step read is of no phase.
  bool isForAll = phase.getRuns() == rt::Runs::Gather;
  Slice full = program.buffers.create(
      {(op.getUnit() + " gathered").str(), op.getUnit().str(),
       rt::BufferKind::Gathered, lineBytes(layout),
       isForAll ? "" : phase.getName().str(), "", "", nullptr});
  OpBuilder &b = phase.getBuilder();
  int64_t element = layout.getElementType().getIntOrFloatBitWidth() / 8;
  Value event = phase.dispatch<rt::AllGatherOp>(
      "all_gather", rt::Stream::Gather,
      {phase.arg(rt::Access::Read, from), phase.arg(rt::Access::Write, full)},
      op.getUnit(), "", TypeAttr::get(layout.getElementType()),
      b.getI64IntegerAttr(layout.getShardElements()),
      b.getI64IntegerAttr(layout.getNumElements() * element),
      segmentsOf(layout),
      communicator("gather", layout.getAxes(), rt::Stream::Gather));
  pendings[op.getPending()] = {event, full};
}

/// The line's buffer with all its gradients in it, which `op` takes.
Slice PhaseConverter::completeLine(const LineBuffers &line, Operation *op,
                                   ValueRange grads) {
  LayoutAttr layout = line.line.get().getReduceLayout();
  Slice buffer = gradientLines.lookup(op);
  for (auto [i, grad] : llvm::enumerate(grads)) {
    Slice wanted = parameterSlice(layout, i, buffer), have = sliceOf(grad);
    if (have.buffer != wanted.buffer || have.begin != wanted.begin) {
      copy(have, wanted, "copy_gradient", line.line.unitName());
      ++program.numCopies;
    }
  }
  zeroGaps(line, buffer);
  return buffer;
}

void PhaseConverter::convert(ReduceScatterStartOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  LayoutAttr layout = line.line.get().getReduceLayout();
  Slice buffer =
      takesSums(op) ? line.accumulator : completeLine(line, op, op.getGrads());
  if (program.world == 1) { // what one rank computed is the sum
    pendings[op.getPending()] = {Value(), buffer};
    return;
  }
  StringRef unit = op.getUnit();
  Slice shard = createWork((unit + " reduced").str(), rt::BufferKind::Reduced,
                           byteSize(LineBuffers::shardTypeOf(layout)), unit);
  SmallVector<Attribute> args = {phase.arg(rt::Access::Read, buffer),
                                 phase.arg(rt::Access::Write, shard)};
  addSumScratch(args, (unit + " reduce scratch").str(), buffer.bytes, unit);
  OpBuilder &b = phase.getBuilder();
  int64_t element = layout.getElementType().getIntOrFloatBitWidth() / 8;
  Value event = phase.dispatch<rt::ReduceScatterOp>(
      "reduce_scatter", rt::Stream::Reduce, args, unit, "",
      TypeAttr::get(layout.getElementType()),
      b.getI64IntegerAttr(layout.getShardElements()),
      b.getI64IntegerAttr(layout.getNumElements() * element),
      segmentsOf(layout),
      communicator("reduce", layout.getAxes(), rt::Stream::Reduce));
  pendings[op.getPending()] = {event, shard};
}

void PhaseConverter::convert(WaitOp op) {
  Pending pending = pendings.lookup(op.getPending());
  if (pending.event)
    phase.need(pending.event);
  for (auto [i, value] : llvm::enumerate(op.getValues())) {
    auto sharded = dyn_cast<ShardedType>(value.getType());
    if (sharded) { // reduced: all shards of a line are one buffer
      slices[value] = pending.buffer;
      continue;
    }
    auto start = op.getPending().getDefiningOp<AllGatherStartOp>();
    LayoutAttr layout = layoutOf(start.getShards().getTypes());
    assign(value, parameterSlice(layout, i, pending.buffer));
  }
}

void PhaseConverter::convert(AllReduceOp op) {
  Slice slice = sliceOf(op.getX());
  if (program.world == 1)
    return assign(op.getY(), slice);
  if (!diesAt(op.getX(), op)) {
    Slice own =
        createWork("all_reduce", rt::BufferKind::Activation, slice.bytes, "");
    copy(slice, own, "copy_scalar", "");
    ++program.numCopies;
    slice = own;
  }
  assign(op.getY(), slice);
  SmallVector<StringAttr> axes;
  for (auto axis : op.getAxes().getAsRange<StringAttr>())
    axes.push_back(axis);
  sumOverRanks(slice, cast<RankedTensorType>(op.getX().getType()), axes);
}

/// Sums `slice`, of `type`, over the ranks of `axes`, where it is.
void PhaseConverter::sumOverRanks(Slice slice, RankedTensorType type,
                                  ArrayRef<StringAttr> axes) {
  if (program.world == 1)
    return;
  int64_t ranks = 1;
  for (StringAttr axis : axes)
    ranks *= program.mesh.getSize(axis);
  SmallVector<Attribute> args = {phase.arg(rt::Access::ReadWrite, slice)};
  addSumScratch(args, "all_reduce scratch", slice.bytes * ranks, "");
  Value event = phase.dispatch<rt::AllReduceOp>(
      "all_reduce", rt::Stream::Reduce, args, "", "",
      TypeAttr::get(type.getElementType()),
      phase.getBuilder().getI64IntegerAttr(type.getNumElements()),
      communicator("scalar", axes, rt::Stream::Reduce));
  phase.need(event);
}
