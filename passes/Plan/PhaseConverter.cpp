//===- PhaseConverter.cpp - One function to one phase ---------------------===//
#include "passes/Plan/PhaseConverter.h"
#include "passes/Plan/Gemm.h"
#include "passes/Support/Step.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
/// A collective under way: its event, and the buffer that its results are in.
struct Pending {
  Value event;
  Slice buffer;
};

class PhaseConverter {
public:
  PhaseConverter(Program &program, OpBuilder &builder, func::FuncOp func,
                 StringRef runs)
      : program(program), func(func), block(func.getBody().front()),
        phase(builder, func.getLoc(), func.getSymName(), runs) {}

  LogicalResult run();

private:
  // Values and buffers.
  void findLastUses();
  void placeGradients();
  Slice createWork(StringRef name, rt::BufferKind kind, int64_t bytes,
                   StringRef unit);
  Slice resultSlice(Value result, StringRef name, StringRef unit);
  Slice sliceOf(Value value) { return slices.lookup(value); }
  bool diesAt(Value value, Operation *op);
  void assign(Value value, Slice slice);

  // Ops.
  LogicalResult convert(Operation *op);
  LogicalResult convert(train::KernelOp op);
  LogicalResult convert(onnx::MatMulOp op);
  void convert(AllGatherStartOp op);
  void convert(ReduceScatterStartOp op);
  void convert(WaitOp op);
  void convert(AllReduceOp op);
  LogicalResult convert(SumOfSquaresOp op);
  LogicalResult convert(UpdateOp op);
  void convert(LoadOp op);
  void convert(StoreOp op);
  void writeConstants();
  void writeResults();

  // Dispatches.
  LogicalResult launch(train::KernelOp kernel, ArrayRef<Slice> ins,
                       ArrayRef<Slice> outs, StringRef unit);
  LogicalResult
  launchFlat(Operation *at, StringRef name, StringRef unit, TypeRange inputs,
             llvm::function_ref<ValueRange(OpBuilder &, Block *)> buildBody,
             ArrayRef<Slice> ins, ArrayRef<Slice> outs);
  void copy(Slice from, Slice to, StringRef name, StringRef unit);
  void fill(Slice slice, StringRef name, StringRef unit);
  void zeroGaps(const LineBuffers &line, Slice buffer);

  Program &program;
  func::FuncOp func;
  Block &block;
  PhaseBuilder phase;
  DenseMap<Value, Slice> slices;
  DenseMap<Value, Slice> placed; ///< gradients: where they must be computed
  DenseMap<Value, Pending> pendings;
  DenseMap<Operation *, Slice> gradientLines;
  DenseMap<Value, int64_t> lastUse;     ///< place in the block
  DenseMap<int64_t, int64_t> lastUseOf; ///< of a buffer, by any value in it
  DenseMap<Operation *, int64_t> placeOf;
};

/// The value that `value` is a view of.
Value viewSource(Value value) {
  while (auto reshape = value.getDefiningOp<onnx::ReshapeOp>())
    value = reshape.getX();
  return value;
}

StringRef scopeOf(Operation *op) { return onnx::getScope(op); }

/// The range that parameter `index` takes in the line held by `buffer`.
Slice parameterSlice(LayoutAttr layout, size_t index, const Slice &buffer) {
  int64_t element = layout.getElementType().getIntOrFloatBitWidth() / 8;
  return {buffer.buffer, buffer.begin + layout.getOffsets()[index] * element,
          byteSize(layout.getTypes()[index])};
}

int64_t lineBytes(LayoutAttr layout) {
  return layout.getShardElements() * layout.getNumShards() *
         (layout.getElementType().getIntOrFloatBitWidth() / 8);
}

//===----------------------------------------------------------------------===//
// Values and buffers
//===----------------------------------------------------------------------===//

void PhaseConverter::findLastUses() {
  int64_t place = 0;
  for (Operation &op : block) {
    placeOf[&op] = place++;
    for (Value operand : op.getOperands())
      lastUse[viewSource(operand)] = placeOf[&op];
  }
}

/// A gradient is computed where the reduce-scatter reads it, unless it is a
/// whole other value's view, an argument, or wanted in two places.
void PhaseConverter::placeGradients() {
  for (auto start : block.getOps<ReduceScatterStartOp>()) {
    const LineBuffers &line = program.getLine(start.getUnit(), start.getLine());
    LayoutAttr layout = line.layout();
    Slice buffer = createWork((start.getUnit() + " gradients").str(),
                              rt::BufferKind::Gradient, lineBytes(layout),
                              start.getUnit());
    gradientLines[start] = buffer;
    for (auto [i, grad] : llvm::enumerate(start.getGrads())) {
      Value source = viewSource(grad);
      Operation *def = source.getDefiningOp();
      if (def && isa<train::KernelOp, onnx::MatMulOp>(def))
        placed.try_emplace(source, parameterSlice(layout, i, buffer));
    }
  }
}

Slice PhaseConverter::createWork(StringRef name, rt::BufferKind kind,
                                 int64_t bytes, StringRef unit) {
  return program.buffers.create({name.str(), unit.str(), kind, bytes,
                                 phase.getName().str(), "", nullptr});
}

void PhaseConverter::assign(Value value, Slice slice) {
  slices[value] = slice;
  int64_t &last = lastUseOf[slice.buffer];
  last = std::max(last, lastUse.lookup(value));
}

Slice PhaseConverter::resultSlice(Value result, StringRef name,
                                  StringRef unit) {
  auto it = placed.find(result);
  if (it != placed.end())
    return it->second;
  return createWork(name, rt::BufferKind::Activation,
                    byteSize(result.getType()), unit);
}

/// Whether nothing reads the buffer behind `value` after `op`, and the phase
/// may overwrite it.
bool PhaseConverter::diesAt(Value value, Operation *op) {
  Slice slice = sliceOf(value);
  const Buffer &buffer = program.buffers[slice.buffer];
  return buffer.kind == rt::BufferKind::Activation && slice.begin == 0 &&
         slice.bytes == buffer.bytes && lastUseOf[slice.buffer] <= placeOf[op];
}

//===----------------------------------------------------------------------===//
// Dispatches
//===----------------------------------------------------------------------===//

LogicalResult PhaseConverter::launch(train::KernelOp kernel,
                                     ArrayRef<Slice> ins, ArrayRef<Slice> outs,
                                     StringRef unit) {
  FailureOr<KernelTable::Kernel> compiled = program.kernels.get(kernel);
  if (failed(compiled))
    return failure();
  SmallVector<Attribute> args;
  for (const Slice &slice : ins)
    args.push_back(phase.arg(rt::Access::Read, slice));
  for (const Slice &slice : outs)
    args.push_back(phase.arg(rt::Access::Write, slice));
  int64_t scratch = compiled->info.scratchBytes;
  if (scratch)
    args.push_back(phase.arg(
        rt::Access::Scratch,
        createWork("scratch", rt::BufferKind::Scratch, scratch, unit)));
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::LaunchOp>(kernel.getName(), rt::Stream::Compute, args,
                               unit, scopeOf(kernel), compiled->symbol,
                               b.getI64IntegerAttr(compiled->info.extent),
                               b.getI64IntegerAttr(scratch));
  return success();
}

/// Launches a kernel over flat buffers that no tensor value stands for: the
/// kernel is built on placeholders and erased again.
LogicalResult PhaseConverter::launchFlat(
    Operation *at, StringRef name, StringRef unit, TypeRange inputs,
    llvm::function_ref<ValueRange(OpBuilder &, Block *)> buildBody,
    ArrayRef<Slice> ins, ArrayRef<Slice> outs) {
  OpBuilder builder(at);
  auto operands = builder.create<UnrealizedConversionCastOp>(
      at->getLoc(), inputs, ValueRange());
  auto body = std::make_unique<Region>();
  Block *entry = &body->emplaceBlock();
  for (Type type : inputs)
    entry->addArgument(type, at->getLoc());
  builder.setInsertionPointToStart(entry);
  ValueRange results = buildBody(builder, entry);
  builder.create<train::YieldOp>(at->getLoc(), results);
  builder.setInsertionPoint(at);
  auto kernel =
      builder.create<train::KernelOp>(at->getLoc(), results.getTypes(), name,
                                      operands.getResults(), "optimizer");
  kernel.getBody().takeBody(*body);
  LogicalResult result = launch(kernel, ins, outs, unit);
  kernel.erase();
  operands.erase();
  return result;
}

void PhaseConverter::copy(Slice from, Slice to, StringRef name,
                          StringRef unit) {
  phase.dispatch<rt::CopyOp>(
      name, rt::Stream::Compute,
      {phase.arg(rt::Access::Read, from), phase.arg(rt::Access::Write, to)},
      unit, "");
  ++program.numCopies;
}

void PhaseConverter::fill(Slice slice, StringRef name, StringRef unit) {
  phase.dispatch<rt::FillOp>(name, rt::Stream::Compute,
                             {phase.arg(rt::Access::Write, slice)}, unit, "",
                             phase.getBuilder().getI64IntegerAttr(0));
}

/// Zeroes what lies between and behind the parameters of a gradient line: the
/// norm counts it and the update reads it.
void PhaseConverter::zeroGaps(const LineBuffers &line, Slice buffer) {
  LayoutAttr layout = line.layout();
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

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult PhaseConverter::convert(train::KernelOp op) {
  StringRef unit = program.unitOfScope(scopeOf(op));
  SmallVector<Slice> ins, outs;
  for (Value input : op.getInputs())
    ins.push_back(sliceOf(input));
  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(op);
  llvm::SmallDenseSet<int64_t> taken;
  for (auto [i, result] : llvm::enumerate(op.getOutputs())) {
    Slice slice;
    for (unsigned operand : inPlace[i]) {
      Slice candidate = ins[operand];
      // Another operand in the same buffer may be read at other places.
      bool shared = llvm::any_of(llvm::enumerate(ins), [&](auto in) {
        return in.value().buffer == candidate.buffer &&
               !llvm::is_contained(inPlace[i], unsigned(in.index()));
      });
      if (placed.contains(result) || shared ||
          candidate.bytes != byteSize(result.getType()) ||
          !diesAt(op.getInputs()[operand], op) ||
          !taken.insert(candidate.buffer).second)
        continue;
      slice = candidate;
      ++program.numInPlace;
      break;
    }
    if (slice.buffer < 0)
      slice = resultSlice(result, op.getName(), unit);
    outs.push_back(slice);
  }
  for (auto [result, slice] : llvm::zip(op.getOutputs(), outs))
    assign(result, slice);
  return launch(op, ins, outs, unit);
}

LogicalResult PhaseConverter::convert(onnx::MatMulOp op) {
  FailureOr<GemmShape> gemm = getGemmShape(op);
  if (failed(gemm))
    return failure();
  StringRef unit = program.unitOfScope(op.getScope());
  Slice result = resultSlice(op.getY(), "matmul", unit);
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::GemmOp>(
      "matmul", rt::Stream::Compute,
      {phase.arg(rt::Access::Read, sliceOf(op.getLhs())),
       phase.arg(rt::Access::Read, sliceOf(op.getRhs())),
       phase.arg(rt::Access::Write, result)},
      unit, op.getScope(),
      TypeAttr::get(
          cast<RankedTensorType>(op.getY().getType()).getElementType()),
      b.getBoolAttr(false), b.getI64IntegerAttr(gemm->m),
      b.getI64IntegerAttr(gemm->n), b.getI64IntegerAttr(gemm->k),
      b.getDenseI64ArrayAttr(gemm->batch), b.getDenseI64ArrayAttr(gemm->a),
      b.getDenseI64ArrayAttr(gemm->b), b.getDenseI64ArrayAttr(gemm->c));
  assign(op.getY(), result);
  return success();
}

void PhaseConverter::convert(AllGatherStartOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  LayoutAttr layout = line.layout();
  Slice full =
      createWork((op.getUnit() + " gathered").str(), rt::BufferKind::Gathered,
                 lineBytes(layout), op.getUnit());
  OpBuilder &b = phase.getBuilder();
  int64_t element = layout.getElementType().getIntOrFloatBitWidth() / 8;
  Value event = phase.dispatch<rt::AllGatherOp>(
      "all_gather", rt::Stream::Gather,
      {phase.arg(rt::Access::Read, line.shard),
       phase.arg(rt::Access::Write, full)},
      op.getUnit(), "", TypeAttr::get(layout.getElementType()),
      b.getI64IntegerAttr(layout.getShardElements()),
      b.getI64IntegerAttr(layout.getNumElements() * element));
  pendings[op.getPending()] = {event, full};
}

void PhaseConverter::convert(ReduceScatterStartOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  LayoutAttr layout = line.layout();
  Slice buffer = gradientLines.lookup(op);
  for (auto [i, grad] : llvm::enumerate(op.getGrads())) {
    Slice wanted = parameterSlice(layout, i, buffer), have = sliceOf(grad);
    if (have.buffer != wanted.buffer || have.begin != wanted.begin)
      copy(have, wanted, "copy_gradient", op.getUnit());
  }
  zeroGaps(line, buffer);
  StringRef unit = op.getUnit();
  Slice shard = createWork((unit + " reduced").str(), rt::BufferKind::Reduced,
                           line.shard.bytes, unit);
  Slice scratch = createWork((unit + " reduce scratch").str(),
                             rt::BufferKind::Scratch, buffer.bytes, unit);
  OpBuilder &b = phase.getBuilder();
  int64_t element = layout.getElementType().getIntOrFloatBitWidth() / 8;
  Value event = phase.dispatch<rt::ReduceScatterOp>(
      "reduce_scatter", rt::Stream::Reduce,
      {phase.arg(rt::Access::Read, buffer), phase.arg(rt::Access::Write, shard),
       phase.arg(rt::Access::Scratch, scratch)},
      unit, "", TypeAttr::get(layout.getElementType()),
      b.getI64IntegerAttr(layout.getShardElements()),
      b.getI64IntegerAttr(layout.getNumElements() * element));
  pendings[op.getPending()] = {event, shard};
}

void PhaseConverter::convert(WaitOp op) {
  Pending pending = pendings.lookup(op.getPending());
  phase.need(pending.event);
  for (auto [i, value] : llvm::enumerate(op.getValues())) {
    auto sharded = dyn_cast<ShardedType>(value.getType());
    if (sharded) { // reduced: all shards of a line are one buffer
      slices[value] = pending.buffer;
      continue;
    }
    auto start = op.getPending().getDefiningOp<AllGatherStartOp>();
    const LineBuffers &line = program.getLine(start.getUnit(), start.getLine());
    assign(value, parameterSlice(line.layout(), i, pending.buffer));
  }
}

void PhaseConverter::convert(AllReduceOp op) {
  Slice slice = sliceOf(op.getX());
  if (!diesAt(op.getX(), op)) {
    Slice own =
        createWork("all_reduce", rt::BufferKind::Activation, slice.bytes, "");
    copy(slice, own, "copy_scalar", "");
    slice = own;
  }
  assign(op.getY(), slice);
  auto type = cast<RankedTensorType>(op.getX().getType());
  int64_t world = 1;
  for (auto &entry : program.lines)
    world = entry.second.layout().getNumShards();
  Slice scratch = createWork("all_reduce scratch", rt::BufferKind::Scratch,
                             slice.bytes * world, "");
  Value event = phase.dispatch<rt::AllReduceOp>(
      "all_reduce", rt::Stream::Reduce,
      {phase.arg(rt::Access::ReadWrite, slice),
       phase.arg(rt::Access::Scratch, scratch)},
      "", "", TypeAttr::get(type.getElementType()),
      phase.getBuilder().getI64IntegerAttr(type.getNumElements()));
  phase.need(event);
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
  return launchFlat(op, "sum_of_squares", "", types,
                    [&](OpBuilder &b, Block *body) -> ValueRange {
                      return b
                          .create<train::SumOfSquaresOp>(
                              op.getLoc(), op.getSum().getType(),
                              body->getArguments(), "optimizer")
                          ->getResults();
                    },
                    ins, {result});
}

LogicalResult PhaseConverter::convert(UpdateOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  Type shard = line.shardType();
  SmallVector<Slice> ins = {line.shard, sliceOf(op.getGrads().front())};
  SmallVector<Slice> outs = {line.shard};
  llvm::append_range(ins, line.states);
  llvm::append_range(outs, line.states);
  SmallVector<Type> types(ins.size(), shard);
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
  addInput(program.roles["rank"],
           RankedTensorType::get({}, IntegerType::get(op.getContext(), 64)));
  int64_t decay = line.line.get().getDecayElements();
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
          .create<train::FlatAdamWOp>(
              op.getLoc(), shard, shard, shard, p, g, m, v, lr, step, clip,
              rank, cast<train::AdamWAttr>(op.getRule()), decay, "optimizer")
          ->getResults();
    return b
        .create<train::FlatSgdOp>(
            op.getLoc(), shard, m ? shard : Type(), p, g, m, lr, clip, rank,
            cast<train::SgdAttr>(op.getRule()), decay, "optimizer")
        ->getResults();
  };
  return launchFlat(op, isAdamW ? "adamw" : "sgd", op.getUnit(), types, build,
                    ins, outs);
}

void PhaseConverter::convert(LoadOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::LoadOp>(
      "load", rt::Stream::Compute, {phase.arg(rt::Access::Write, line.shard)},
      op.getUnit(), "", b.getI64IntegerAttr(line.unitIndex),
      b.getI64IntegerAttr(op.getLine()));
  for (const Slice &state : line.states)
    fill(state, "zero_state", op.getUnit());
}

void PhaseConverter::convert(StoreOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  Slice full = sliceOf(op.getValues().front());
  const Buffer &buffer = program.buffers[full.buffer];
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::StoreOp>(
      "store", rt::Stream::Compute,
      {phase.arg(rt::Access::Read, {full.buffer, 0, buffer.bytes})},
      op.getUnit(), "", b.getI64IntegerAttr(line.unitIndex),
      b.getI64IntegerAttr(op.getLine()));
}

void PhaseConverter::writeConstants() {
  for (auto &[value, slice] : program.constants)
    phase.dispatch<rt::ConstantOp>("constant", rt::Stream::Compute,
                                   {phase.arg(rt::Access::Write, slice)}, "",
                                   "", cast<ElementsAttr>(value));
}

void PhaseConverter::writeResults() {
  for (auto [i, value] :
       llvm::enumerate(block.getTerminator()->getOperands())) {
    auto role = cast<StringAttr>(func.getResultAttr(i, kRole));
    copy(sliceOf(value), program.roles[role], "result", "");
    --program.numCopies; // a scalar handed to the runtime
  }
}

LogicalResult PhaseConverter::convert(Operation *op) {
  phase.setLoc(op->getLoc());
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::KernelOp, onnx::MatMulOp, SumOfSquaresOp, UpdateOp>(
          [&](auto typed) { return convert(typed); })
      .Case<AllGatherStartOp, ReduceScatterStartOp, WaitOp, AllReduceOp, LoadOp,
            StoreOp>([&](auto typed) {
        convert(typed);
        return success();
      })
      .Case([&](onnx::ReshapeOp reshape) {
        slices[reshape.getY()] = sliceOf(reshape.getX());
        return success();
      })
      .Case([&](onnx::ConstantOp constant) {
        slices[constant.getResult()] = program.constants[constant.getValue()];
        return success();
      })
      .Case<ShardsOp, ReleaseOp, train::BackwardBeginOp, func::ReturnOp>(
          [](auto) { return success(); })
      .Default([](Operation *other) {
        return other->emitOpError("has no dispatch: run --kernel-form-groups "
                                  "before --convert-fsdp-to-fsdprt");
      });
}

LogicalResult PhaseConverter::run() {
  findLastUses();
  placeGradients();
  for (BlockArgument arg : block.getArguments()) {
    auto role = func.getArgAttrOfType<StringAttr>(arg.getArgNumber(), kRole);
    assign(arg, program.roles[role]);
  }
  for (Operation &op : llvm::make_early_inc_range(block))
    if (failed(convert(&op)))
      return failure();
  if (func.getSymName() == kInit)
    writeConstants();
  writeResults();
  phase.dispatch<rt::JoinOp>("join", rt::Stream::Compute, {}, "", "");
  return success();
}
} // namespace

LogicalResult fsdp::convertPhase(Program &program, OpBuilder &builder,
                                 func::FuncOp func, StringRef runs) {
  return PhaseConverter(program, builder, func, runs).run();
}
