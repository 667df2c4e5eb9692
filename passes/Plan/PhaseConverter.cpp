//===- PhaseConverter.cpp - One function to its phases --------------------===//
#include "passes/Plan/PhaseConverter.h"
#include "passes/Support/Step.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

Slice fsdp::parameterSlice(LayoutAttr layout, size_t index,
                           const Slice &buffer) {
  int64_t element = layout.getElementType().getIntOrFloatBitWidth() / 8;
  return {buffer.buffer,
          buffer.begin + layout.getGatheredOffset(index) * element,
          byteSize(layout.getTypes()[index])};
}

//===----------------------------------------------------------------------===//
// Values and buffers
//===----------------------------------------------------------------------===//

/// Whole gradients are those of their line, in the type it is reduced in.
LogicalResult PhaseConverter::checkWhole(AccumulateGradientsOp op) {
  const LineBuffers *line = program.findLine(op.getUnit(), op.getLine());
  if (line && line->accumulator.buffer >= 0 &&
      llvm::equal(op.getGrads().getTypes(),
                  line->line.get().getReduceLayout().getTypes()))
    return success();
  return op.emitOpError("does not take the gradients of line ")
         << op.getLine() << " of unit '" << op.getUnit()
         << "', all in its order, in 'step'";
}

/// Every line that the phase works on is loaded by `init`, with the layout that
/// the op expects.
LogicalResult PhaseConverter::checkLines() {
  using Layout = LayoutAttr (LineAttr::*)() const;
  auto check = [&](auto op, LayoutAttr layout,
                   std::initializer_list<Layout> allowed) -> LogicalResult {
    const LineBuffers *line = program.findLine(op.getUnit(), op.getLine());
    if (!line)
      return op.emitOpError("names line ")
             << op.getLine() << " of unit '" << op.getUnit()
             << "', which 'init' does not load: run --fsdp-build-phases";
    LineAttr attr = line->line.get();
    if (layout && llvm::none_of(allowed, [&](Layout get) {
          return (attr.*get)() == layout;
        }))
      return op.emitOpError("has another layout than line ")
             << op.getLine() << " of unit '" << op.getUnit() << "'";
    return success();
  };
  auto layoutOf = [](TypeRange types) {
    return cast<ShardedType>(types.front()).getLayout();
  };
  for (Operation &op : block) {
    LogicalResult result = success();
    if (auto gather = dyn_cast<AllGatherStartOp>(op))
      result = check(gather, layoutOf(gather.getShards().getTypes()),
                     {&LineAttr::getLayout, &LineAttr::getGatherLayout});
    else if (auto reduce = dyn_cast<ReduceScatterStartOp>(op))
      result = check(reduce, layoutOf(reduce.getPending().getType().getTypes()),
                     {&LineAttr::getReduceLayout});
    else if (auto store = dyn_cast<StoreOp>(op))
      result = check(store, nullptr, {});
    else if (auto load = dyn_cast<LoadOp>(op))
      result = check(load, nullptr, {});
    else if (auto update = dyn_cast<UpdateOp>(op))
      result = check(update, layoutOf(update.getGrads().getTypes()),
                     {&LineAttr::getReduceLayout});
    else if (auto sum = dyn_cast<AccumulateOp>(op))
      result = check(sum, layoutOf(sum.getGrads().getTypes()),
                     {&LineAttr::getReduceLayout});
    else if (auto sum = dyn_cast<AccumulateGradientsOp>(op))
      result = checkWhole(sum);
    if (failed(result))
      return failure();
  }
  return success();
}

void PhaseConverter::findLastUses() {
  int64_t place = 0;
  for (Operation &op : block) {
    placeOf[&op] = place++;
    for (Value operand : op.getOperands())
      lastUse[viewSource(operand)] = placeOf[&op];
  }
}

Slice PhaseConverter::createWork(StringRef name, rt::BufferKind kind,
                                 int64_t bytes, StringRef unit) {
  return program.buffers.create({name.str(), unit.str(), kind, bytes,
                                 phase.getName().str(), "", "", nullptr});
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
// Ops
//===----------------------------------------------------------------------===//

void PhaseConverter::copy(Slice from, Slice to, StringRef name,
                          StringRef unit) {
  phase.dispatch<rt::CopyOp>(
      name, rt::Stream::Compute,
      {phase.arg(rt::Access::Read, from), phase.arg(rt::Access::Write, to)},
      unit, "");
}

void PhaseConverter::fill(Slice slice, StringRef name, StringRef unit) {
  phase.dispatch<rt::FillOp>(name, rt::Stream::Compute,
                             {phase.arg(rt::Access::Write, slice)}, unit, "",
                             phase.getBuilder().getI64IntegerAttr(0));
}

/// A state as it is before the first step.
LogicalResult PhaseConverter::fillState(LoadOp op, Slice state, Type type,
                                        double initial) {
  if (initial == 0) {
    fill(state, "zero_state", op.getUnit());
    return success();
  }
  return launchFlat(op, "fill_state", op.getUnit(), {},
                    [&](OpBuilder &b, Block *) -> ValueRange {
                      return b
                          .create<train::FlatFillOp>(
                              op.getLoc(), type, b.getF64FloatAttr(initial),
                              b.getStringAttr("optimizer"))
                          ->getResults();
                    },
                    {}, {state});
}

/// Fills the master shard and the states, and derives the gather's source from
/// the master.
LogicalResult PhaseConverter::convert(LoadOp op) {
  const LineBuffers &line = program.getLine(op.getUnit(), op.getLine());
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::LoadOp>(
      "load", rt::Stream::Compute, {phase.arg(rt::Access::Write, line.shard)},
      op.getUnit(), "", b.getI64IntegerAttr(line.unitIndex),
      b.getI64IntegerAttr(op.getLine()));
  for (auto [slice, type, state] : llvm::zip_equal(
           line.states, line.stateTypes(), line.line.get().getStates()))
    if (failed(fillState(op, slice, type, state.initial)))
      return failure();
  if (line.factors.bytes > 0)
    fill(line.factors, "zero_state", op.getUnit());
  // Sums of whole gradients; the runtime zeroes an arena of its own.
  if (line.accumulator.buffer >= 0 &&
      !program.buffers[line.accumulator.buffer].accumulates)
    fill(line.accumulator, "zero_state", op.getUnit());
  if (!line.hasSource())
    return success();
  return launchFlat(op, "derive_source", op.getUnit(), {line.shardType()},
                    [&](OpBuilder &b, Block *body) -> ValueRange {
                      return b
                          .create<onnx::CastOp>(op.getLoc(), line.sourceType(),
                                                body->getArgument(0),
                                                "optimizer")
                          ->getResults();
                    },
                    {line.shard}, {line.source});
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

/// In the first microbatch they are read too, and what is read is not used.
void PhaseConverter::zeroStates() {
  for (auto state : program.module.getOps<train::StateOp>())
    fill(program.states.lookup(state.getSymName()), "zero_state", "");
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
    copy(sliceOf(value), program.roles.lookup(role), "result", "");
  }
}

LogicalResult PhaseConverter::convert(Operation *op) {
  phase.setLoc(op->getLoc());
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::KernelOp, onnx::MatMulOp, train::LinearOp, SumOfSquaresOp,
            UpdateOp, LoadOp, AccumulateOp, AccumulateGradientsOp,
            train::AccumulateOp, train::TotalOp>(
          [&](auto typed) { return convert(typed); })
      .Case([&](train::UpdateBeginOp begin) {
        if (isa_and_nonnull<AccumulateOp>(begin->getNextNode()))
          beginPhase(kAccumulate, rt::Runs::Accumulate);
        else
          beginPhase(kUpdate, rt::Runs::Update);
        return success();
      })
      .Case([&](train::MicrobatchBeginOp) {
        beginPhase(func.getSymName(), rt::Runs::Microbatch);
        placeGradients();
        return success();
      })
      .Case<AllGatherStartOp, ReduceScatterStartOp, WaitOp, AllReduceOp,
            StoreOp>([&](auto typed) {
        convert(typed);
        return success();
      })
      .Case([&](onnx::ReshapeOp reshape) {
        slices[reshape.getY()] = sliceOf(reshape.getX());
        return success();
      })
      .Case([&](train::BarrierOp barrier) {
        for (auto [x, y] : llvm::zip_equal(barrier.getXs(), barrier.getYs()))
          slices[y] = sliceOf(x);
        return success();
      })
      .Case([&](onnx::ConstantOp constant) {
        slices[constant.getResult()] =
            program.constants.lookup(constant.getValue());
        return success();
      })
      .Case<ShardsOp, ReleaseOp, train::BackwardBeginOp, func::ReturnOp>(
          [](auto) { return success(); })
      .Default([](Operation *other) {
        return other->emitOpError("has no dispatch: run --kernel-form-groups "
                                  "before --convert-fsdp-to-fsdprt");
      });
}

/// Ends the phase that is built, and begins the next one.
void PhaseConverter::beginPhase(StringRef name, rt::Runs runs) {
  phase.dispatch<rt::JoinOp>("join", rt::Stream::Compute, {}, "", "");
  phase = PhaseBuilder(phases, func.getLoc(), name, runs);
}

LogicalResult PhaseConverter::run() {
  if (failed(checkLines()))
    return failure();
  findLastUses();
  if (phase.getRuns() != rt::Runs::Gather) // else in the phase behind it
    placeGradients();
  for (BlockArgument arg : block.getArguments()) {
    auto role = func.getArgAttrOfType<StringAttr>(arg.getArgNumber(), kRole);
    assign(arg, program.roles.lookup(role));
  }
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (isa_and_nonnull<AccumulateOp>(op.getPrevNode()) &&
        !isa<AccumulateOp>(op))
      beginPhase(kUpdate, rt::Runs::Update);
    if (failed(convert(&op)))
      return failure();
  }
  if (func.getSymName() == kInit) {
    zeroStates();
    writeConstants();
  }
  writeResults();
  phase.dispatch<rt::JoinOp>("join", rt::Stream::Compute, {}, "", "");
  return success();
}

LogicalResult fsdp::convertPhase(Program &program, OpBuilder &builder,
                                 func::FuncOp func, rt::Runs runs) {
  bool gathersOnce =
      bool(findOp<train::MicrobatchBeginOp>(func.getBody().front()));
  if (gathersOnce)
    return PhaseConverter(program, builder, func, kGather, rt::Runs::Gather)
        .run();
  return PhaseConverter(program, builder, func, func.getSymName(), runs).run();
}
