//===- InsertGathers.cpp - Reads of parameters through all-gathers --------===//
//
//   %w = onnx.read @"h.0.w"
//   ... forward uses ... train.backward_begin ... backward uses ...
// becomes
//   %s = fsdp.shards "h.0" line 0
//   %p = fsdp.all_gather_start "h.0" line 0 (%s) over ["shard"]
//   %w = fsdp.wait %p
//   ... forward uses ...
//   fsdp.release "h.0" line 0 (%w)
//   train.backward_begin
//   ... and the same around the backward uses, and around those of every other
//   visit: a module that is called twice is gathered for each call.
//
// With accumulate-gathered a step begins with the gathers of all its lines and
// train.microbatch_begin, and releases them before train.update_begin.
//
//===----------------------------------------------------------------------===//
#include "passes/Shard/Passes.h"
#include "passes/Shard/Visits.h"
#include "passes/Support/Step.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPINSERTGATHERS
#include "passes/Shard/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
bool isBefore(Operation *a, Operation *b) { return a->isBeforeInBlock(b); }

struct InsertGathers : public fsdp::impl::FsdpInsertGathersBase<InsertGathers> {
  using FsdpInsertGathersBase::FsdpInsertGathersBase;

  void runOnOperation() override {
    if (!findBackward(getOperation()))
      return signalPassFailure();
    for (func::FuncOp func : getReaders(getOperation()))
      if (failed(gather(func)))
        return signalPassFailure();
  }

  LogicalResult gather(func::FuncOp func) {
    Block &block = func.getBody().front();
    DenseMap<StringAttr, onnx::ReadOp> reads;
    for (auto read : block.getOps<onnx::ReadOp>())
      reads[read.getParameterAttr().getAttr()] = read;
    for (const LineRef &line : getLines(getOperation()))
      if (failed(readNarrow(line, reads)))
        return failure();
    Visits visits(block, unitsOf(reads));
    numCloned += visits.sinkWeightChains();
    if (accumulateGathered && func.getSymName() == kStep) {
      if (failed(gatherOnce(func, reads)))
        return failure();
    } else {
      for (const LineRef &line : getLines(getOperation()))
        gatherLine(line, reads, visits);
    }
    for (auto read : llvm::make_early_inc_range(block.getOps<onnx::ReadOp>())) {
      if (!read->use_empty())
        return read.emitOpError("reads a parameter of no unit: run "
                                "--fsdp-assign-units");
      read.erase();
    }
    return success();
  }

  /// A line that is gathered in another type is read in that type: its reads
  /// must be cast to it before all else.
  LogicalResult readNarrow(const LineRef &line,
                           const DenseMap<StringAttr, onnx::ReadOp> &reads) {
    LayoutAttr layout = line.get().getGatherLayout();
    for (auto [i, name] : llvm::enumerate(line.get().getParameters())) {
      onnx::ReadOp read = reads.lookup(name);
      if (!read || read.getResult().getType() == layout.getTypes()[i])
        continue;
      for (Operation *user : llvm::make_early_inc_range(read->getUsers())) {
        if (!isa<onnx::CastOp>(user) ||
            user->getResult(0).getType() != layout.getTypes()[i])
          return user->emitOpError("reads parameter ")
                 << name << " as " << read.getResult().getType()
                 << ", which is gathered as " << layout.getTypes()[i]
                 << ": run --train-mixed-precision before "
                    "--train-build-backward";
        user->getResult(0).replaceAllUsesWith(read.getResult());
        user->erase();
      }
      read.getResult().setType(cast<RankedTensorType>(layout.getTypes()[i]));
    }
    return success();
  }

  DenseMap<Value, UnitOp>
  unitsOf(const DenseMap<StringAttr, onnx::ReadOp> &reads) {
    DenseMap<Value, UnitOp> units;
    for (const LineRef &line : getLines(getOperation()))
      for (StringAttr name : line.get().getParameters())
        if (onnx::ReadOp read = reads.lookup(name))
          units[read.getResult()] = line.unit;
    return units;
  }

  /// What reads the parameters of a line; null for those that nothing reads.
  static SmallVector<Value>
  readsOf(const LineRef &line,
          const DenseMap<StringAttr, onnx::ReadOp> &reads) {
    SmallVector<Value> values;
    for (StringAttr name : line.get().getParameters()) {
      onnx::ReadOp read = reads.lookup(name);
      values.push_back(read ? read.getResult() : Value());
    }
    return values;
  }

  /// One gather of each line for all microbatches of a step.
  LogicalResult gatherOnce(func::FuncOp step,
                           const DenseMap<StringAttr, onnx::ReadOp> &reads) {
    Block &block = step.getBody().front();
    auto update = findOp<train::UpdateBeginOp>(block);
    if (!update)
      return step.emitError("'step' has no update: run --train-build-update");
    Location loc = step.getLoc();
    auto begin =
        OpBuilder::atBlockBegin(&block).create<train::MicrobatchBeginOp>(loc);
    OpBuilder gathers(begin), releases(update);
    for (const LineRef &line : getLines(getOperation())) {
      SmallVector<Value> values = readsOf(line, reads);
      if (llvm::none_of(values, [](Value v) { return v && !v.use_empty(); }))
        continue;
      ValueRange full =
          buildGather(gathers, loc, line, line.get().getGatherLayout());
      ++numGathers;
      for (auto [value, gathered] : llvm::zip(values, full))
        if (value)
          value.replaceAllUsesWith(gathered);
      releases.create<ReleaseOp>(loc, line.unitName(), line.index, full);
    }
    return success();
  }

  void gatherLine(const LineRef &line,
                  const DenseMap<StringAttr, onnx::ReadOp> &reads,
                  const Visits &visits) {
    SmallVector<Value> values = readsOf(line, reads);
    if (!UnitOp(line.unit).getEffectivePolicy().getReshardAfterForward()) {
      gatherUses(line, values, visits, [](Operation *) { return true; });
      return;
    }
    auto visitOf = [&](Operation *user) { return visits.of(user, line.unit); };
    llvm::SmallSetVector<int64_t, 2> numbers;
    for (Value value : values)
      if (value)
        for (Operation *user : value.getUsers())
          numbers.insert(visitOf(user));
    SmallVector<int64_t> inOrder = numbers.takeVector();
    llvm::sort(inOrder);
    for (int64_t number : inOrder)
      gatherUses(line, values, visits,
                 [&](Operation *user) { return visitOf(user) == number; });
  }

  /// One gather for the uses of `values` that `wanted` accepts, released after
  /// the last of them.
  void gatherUses(const LineRef &line, MutableArrayRef<Value> values,
                  const Visits &visits,
                  llvm::function_ref<bool(Operation *)> wanted) {
    Operation *first = nullptr;
    for (Value value :
         llvm::make_filter_range(values, [](Value v) { return bool(v); }))
      for (Operation *user : value.getUsers())
        if (wanted(user) && (!first || isBefore(user, first)))
          first = user;
    if (!first)
      return;
    OpBuilder builder(first);
    ValueRange full = buildGather(builder, first->getLoc(), line,
                                  line.get().getGatherLayout());
    ++numGathers;
    for (auto [value, gathered] : llvm::zip(values, full))
      if (value)
        value.replaceUsesWithIf(
            gathered, [&](OpOperand &use) { return wanted(use.getOwner()); });
    builder.setInsertionPointAfter(lastUser(full, visits));
    builder.create<ReleaseOp>(first->getLoc(), line.unitName(), line.index,
                              full);
  }

  /// The last op that uses `values` or what is computed from weights alone,
  /// views included: a chain may not cross its weights' release.
  static Operation *lastUser(ValueRange values, const Visits &visits) {
    Operation *last = nullptr;
    SmallVector<Value> pending(values);
    DenseSet<Operation *> seen;
    while (!pending.empty())
      for (Operation *user : pending.pop_back_val().getUsers()) {
        if (!seen.insert(user).second)
          continue;
        if (!last || isBefore(last, user))
          last = user;
        for (Value result : user->getResults())
          if (visits.isWeight(result))
            pending.push_back(result);
      }
    return last;
  }
};
} // namespace
