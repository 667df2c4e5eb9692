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

LogicalResult PhaseConverter::convert(UpdateOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  Type shard = line.shardType();
  SmallVector<Slice> ins = {line.shard, sliceOf(op.getGrads().front())};
  SmallVector<Slice> outs = {line.shard};
  llvm::append_range(ins, line.states);
  llvm::append_range(outs, line.states);
  SmallVector<Type> types(ins.size(), shard);
  types[1] = LineBuffers::shardTypeOf(line.line.get().getReduceLayout());
  Type source; // a second result: the new parameters as they are gathered
  if (line.hasSource()) {
    source = line.sourceType();
    outs.push_back(line.source);
  }
  auto addInput = [&](Slice slice, Type type) {
    ins.push_back(slice);
    types.push_back(type);
  };
  bool isAdamW = isa<train::AdamWAttr>(op.getRule());
  addInput(sliceOf(op.getLr()), op.getLr().getType());
  if (isAdamW)
    addInput(sliceOf(op.getStep()), op.getStep().getType());
  if (op.getClip())
    addInput(sliceOf(op.getClip()), op.getClip().getType());
  addInput(program.roles.lookup("rank"),
           RankedTensorType::get({}, IntegerType::get(op.getContext(), 64)));
  int64_t decay = line.line.get().getDecayElements();
  bool inShard = line.layout().getPlacement() == Placement::Dim0;
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    SmallVector<Value> args(body->getArguments());
    auto next = args.begin();
    Value p = *next++, g = *next++;
    Value m = line.states.empty() ? Value() : *next++;
    Value v = isAdamW ? *next++ : Value();
    Value lr = *next++, step = isAdamW ? *next++ : Value();
    Value clip = op.getClip() ? *next++ : Value();
    Value rank = *next++;
    if (isAdamW)
      return b
          .create<train::FlatAdamWOp>(op.getLoc(), shard, shard, shard, source,
                                      p, g, m, v, lr, step, clip, rank,
                                      cast<train::AdamWAttr>(op.getRule()),
                                      decay, inShard, "optimizer")
          ->getResults();
    return b
        .create<train::FlatSgdOp>(op.getLoc(), shard, m ? shard : Type(),
                                  source, p, g, m, lr, clip, rank,
                                  cast<train::SgdAttr>(op.getRule()), decay,
                                  inShard, "optimizer")
        ->getResults();
  };
  return launchFlat(op, isAdamW ? "adamw" : "sgd", op.getUnit(), types, build,
                    ins, outs);
}
