//===- ConvertOptimizer.cpp - Norm and update of shards -------------------===//
#include "passes/Plan/PhaseConverter.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

static int64_t elementsOf(ArrayRef<Type> shards) {
  int64_t total = 0;
  for (Type shard : shards)
    total += cast<RankedTensorType>(shard).getNumElements();
  return total;
}

/// Into how many blocks the squares of these shards are summed: a few threads'
/// work where they are large, one where they are small.
static int64_t numSquareBlocks(ArrayRef<Type> shards) {
  constexpr int64_t kElements = 1 << 16;
  return std::max<int64_t>(1, llvm::divideCeil(elementsOf(shards), kElements));
}

/// Elements of a block where each shard is cut by itself: `least`, but no more
/// blocks of all shards than one iteration adds in a few microseconds.
static int64_t squareBlock(ArrayRef<Type> shards, int64_t least) {
  constexpr int64_t kBlocks = 1 << 14, kAligned = 64;
  int64_t elements = llvm::divideCeil(elementsOf(shards), kBlocks);
  return std::max<int64_t>(least, llvm::alignTo(elements, kAligned));
}

/// An even number, that the sums of the next shard are aligned too.
static int64_t numBlocks(Type shard, int64_t block) {
  return llvm::alignTo(llvm::divideCeil(elementsOf(shard), block), 2);
}

/// result = the squares of `ins`, of `types`, in blocks of `block` elements of
/// one after the other; 0: as many as the result has.
LogicalResult PhaseConverter::sumSquares(SumOfSquaresOp op,
                                         ArrayRef<Type> types,
                                         ArrayRef<Slice> ins, int64_t block,
                                         Type type, Slice result) {
  return launchFlat(
      op, "sum_of_squares", "", types,
      [&](OpBuilder &b, Block *body) -> ValueRange {
        return b
            .create<train::SumOfSquaresOp>(
                op.getLoc(), type, body->getArguments(),
                block ? b.getI64IntegerAttr(block) : IntegerAttr(), "optimizer")
            ->getResults();
      },
      ins, {result});
}

/// The sums of blocks of `block` elements, of each shard by itself: the same
/// kernel for lines that are alike, and as many lines as there are.
LogicalResult PhaseConverter::sumSquaresOfEach(SumOfSquaresOp op,
                                               ArrayRef<Type> types,
                                               ArrayRef<Slice> ins,
                                               int64_t block, Slice partial) {
  Type f64 = Float64Type::get(op.getContext());
  for (auto [type, in] : llvm::zip_equal(types, ins)) {
    Type sums = RankedTensorType::get({numBlocks(type, block)}, f64);
    partial.bytes = byteSize(sums);
    if (failed(sumSquares(op, type, in, block, sums, partial)))
      return failure();
    partial.begin += partial.bytes;
  }
  return success();
}

LogicalResult PhaseConverter::convert(SumOfSquaresOp op) {
  SmallVector<Slice> ins;
  SmallVector<Type> types;
  llvm::SmallDenseSet<int64_t> seen;
  for (Value shard : op.getShards()) {
    Slice slice = sliceOf(shard);
    if (!seen.insert(slice.buffer).second)
      continue;
    LayoutAttr layout = cast<ShardedType>(shard.getType()).getLayout();
    ins.push_back(slice);
    types.push_back(RankedTensorType::get({layout.getShardElements()},
                                          layout.getElementType()));
  }
  Slice result = resultSlice(op.getSum(), "sum_of_squares", "");
  assign(op.getSum(), result);
  int64_t blocks = numSquareBlocks(types), block = 0;
  if (int64_t least = program.target.getFoldElements()) {
    block = squareBlock(types, least);
    blocks = 0;
    for (Type type : types)
      blocks += numBlocks(type, block);
  } else if (blocks == 1) {
    return sumSquares(op, types, ins, block, op.getSum().getType(), result);
  }
  // Blocks for the threads, then their sum: the same bits however many.
  Type parts =
      RankedTensorType::get({blocks}, Float64Type::get(op.getContext()));
  Slice partial = createWork("sums_of_squares", rt::BufferKind::Activation,
                             byteSize(parts), "");
  if (failed(block ? sumSquaresOfEach(op, types, ins, block, partial)
                   : sumSquares(op, types, ins, block, parts, partial)))
    return failure();
  return launchFlat(op, "sum_of_parts", "", parts,
                    [&](OpBuilder &b, Block *body) -> ValueRange {
                      return b
                          .create<onnx::ReduceSumOp>(
                              op.getLoc(), op.getSum().getType(),
                              body->getArgument(0), ArrayRef<int64_t>{0},
                              /*keepdims=*/false, "optimizer")
                          ->getResults();
                    },
                    {partial}, {result});
}

/// A range for each parameter, which tells its elements on any rank apart.
static SmallVector<Attribute> rangesOfParameters(LineAttr line) {
  LayoutAttr layout = line.getLayout();
  SmallVector<Attribute> ranges;
  size_t count = line.getParameters().size();
  for (size_t i = 0; i < count; ++i) {
    int64_t own = layout.getEnd(i) - layout.getOffsets()[i];
    bool isCutAnywhere = layout.getPlacement() == Placement::Flat;
    ranges.push_back(train::RangeAttr::get(
        line.getContext(),
        i + 1 < count ? layout.getOffsets()[i + 1] : layout.getEnd(i),
        line.getRule(i),
        std::max<int64_t>(1, isCutAnywhere ? layout.getShardElements() : own)));
  }
  return ranges;
}

/// The ranges of a line's shards, the last to their end: lines of one size then
/// share a kernel, however much of it is padding.
static ArrayAttr rangesOf(const LineBuffers &buffers) {
  LineAttr line = buffers.line.get();
  LayoutAttr layout = line.getLayout();
  int64_t end = layout.getShardElements();
  if (layout.getPlacement() == Placement::Flat)
    end *= layout.getNumShards();
  SmallVector<Attribute> ranges =
      buffers.isRounded() ? rangesOfParameters(line)
                          : SmallVector<Attribute>(line.getRanges().begin(),
                                                   line.getRanges().end());
  auto last = cast<train::RangeAttr>(ranges.back());
  ranges.back() = train::RangeAttr::get(line.getContext(), end, last.getRule(),
                                        last.getStride());
  return ArrayAttr::get(line.getContext(), ranges);
}

static bool readsStep(LineAttr line) {
  return llvm::any_of(line.getRanges(), [](train::RangeAttr range) {
    return range.getRule().readsStep();
  });
}

void PhaseConverter::addClipAndRank(UpdateOp op, SmallVectorImpl<Slice> &ins,
                                    SmallVectorImpl<Type> &types) {
  if (op.getClip()) {
    ins.push_back(sliceOf(op.getClip()));
    types.push_back(op.getClip().getType());
  }
  ins.push_back(program.roles.lookup("rank"));
  types.push_back(
      RankedTensorType::get({}, IntegerType::get(op.getContext(), 64)));
}

LogicalResult PhaseConverter::convert(UpdateOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  LineAttr attr = line.line.get();
  if (isFactored(attr))
    return updateFactored(op, line);
  SmallVector<Slice> ins = {line.shard, sliceOf(op.getGrads().front())};
  llvm::append_range(ins, line.states);
  SmallVector<Type> types = {line.shardType(),
                             LineBuffers::shardTypeOf(attr.getReduceLayout())};
  llvm::append_range(types, line.stateTypes());
  auto [outs, results] = updatedOf(line);
  auto addInput = [&](Slice slice, Type type) {
    ins.push_back(slice);
    types.push_back(type);
  };
  addInput(sliceOf(op.getLr()), op.getLr().getType());
  bool hasStep = readsStep(attr), hasClip = bool(op.getClip());
  if (hasStep)
    addInput(sliceOf(op.getStep()), op.getStep().getType());
  addClipAndRank(op, ins, types);
  bool rounds = line.isRounded();
  if (rounds) {
    addInput(program.roles.lookup("seed"),
             RankedTensorType::get({}, IntegerType::get(op.getContext(), 64)));
    addInput(line.keys, line.keysType());
  }
  auto build = [&, &results = results](OpBuilder &b,
                                       Block *body) -> ValueRange {
    size_t next = 0;
    auto take = [&](bool isThere = true) -> Value {
      return isThere ? body->getArgument(next++) : Value();
    };
    Value p = take(), g = take();
    SmallVector<Value> states;
    for (size_t i = 0; i < line.states.size(); ++i)
      states.push_back(take());
    Value lr = take(), step = take(hasStep), clip = take(hasClip);
    Value rank = take(), seed = take(rounds), keys = take(rounds);
    return b
        .create<train::FlatUpdateOp>(
            op.getLoc(), results, p, g, states, lr, step, clip, rank, seed,
            keys, rangesOf(line),
            line.layout().getPlacement() == Placement::Dim0, "optimizer")
        ->getResults();
  };
  StringRef name = attr.getRanges().front().getRule().getKind().name;
  return launchFlat(op, name, op.getUnit(), types, build, ins, outs);
}
