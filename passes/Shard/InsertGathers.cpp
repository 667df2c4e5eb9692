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
//   ... and the same around the backward uses.
//
//===----------------------------------------------------------------------===//
#include "passes/Shard/Lines.h"
#include "passes/Shard/Passes.h"
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

bool isConstant(Value value) {
  return isa_and_nonnull<onnx::ConstantOp>(value.getDefiningOp());
}

/// All values of `block` that are parameters or computed from parameters (and
/// constants) alone.
DenseSet<Value> findWeightValues(Block &block) {
  DenseSet<Value> weights;
  for (Operation &op : block) {
    auto isWeight = [&](Value v) { return weights.contains(v); };
    bool chain =
        isMemoryEffectFree(&op) && llvm::any_of(op.getOperands(), isWeight) &&
        llvm::all_of(op.getOperands(),
                     [&](Value v) { return isWeight(v) || isConstant(v); });
    if (chain || isa<onnx::ReadOp>(op))
      weights.insert(op.result_begin(), op.result_end());
  }
  return weights;
}

struct InsertGathers : public fsdp::impl::FsdpInsertGathersBase<InsertGathers> {
  using FsdpInsertGathersBase::FsdpInsertGathersBase;

  void runOnOperation() override {
    train::BackwardBeginOp backward = findBackward(getOperation());
    if (!backward)
      return signalPassFailure();
    Block &block = *backward->getBlock();
    DenseMap<StringAttr, onnx::ReadOp> reads;
    for (auto read : block.getOps<onnx::ReadOp>())
      reads[read.getParameterAttr().getAttr()] = read;
    for (const LineRef &line : getLines(getOperation()))
      if (failed(readNarrow(line, reads)))
        return signalPassFailure();
    cloneWeightChains(block, backward);
    weightValues = findWeightValues(block);
    for (const LineRef &line : getLines(getOperation()))
      gatherLine(line, reads, backward);
    for (auto read : llvm::make_early_inc_range(block.getOps<onnx::ReadOp>())) {
      if (!read->use_empty()) {
        read.emitOpError("reads a parameter of no unit: run "
                         "--fsdp-assign-units");
        return signalPassFailure();
      }
      read.erase();
    }
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

  /// Clones pure ops on parameters (and constants) alone that backward uses:
  /// otherwise a full weight would live from forward to backward.
  void cloneWeightChains(Block &block, Operation *backward) {
    DenseSet<Value> fromWeights;
    OpBuilder builder(&getContext());
    SmallVector<Operation *> chain;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (&op == backward)
        break;
      if (auto read = dyn_cast<onnx::ReadOp>(op))
        fromWeights.insert(read.getResult());
      if (!isMemoryEffectFree(&op) || op.getNumOperands() == 0 ||
          !llvm::all_of(op.getOperands(),
                        [&](Value v) { return isFromWeights(v, fromWeights); }))
        continue;
      fromWeights.insert(op.result_begin(), op.result_end());
      chain.push_back(&op);
    }
    // Consumers first: a clone's operands are then backward uses themselves.
    for (Operation *op : llvm::reverse(chain))
      cloneForBackward(builder, *op, backward);
  }

  static bool isFromWeights(Value value, const DenseSet<Value> &fromWeights) {
    return fromWeights.contains(value) || isConstant(value);
  }

  /// Gives the backward uses of `op` their own copy, next to the first.
  void cloneForBackward(OpBuilder &builder, Operation &op,
                        Operation *backward) {
    Operation *firstUse = nullptr;
    for (Operation *user : op.getUsers())
      if (isBefore(backward, user) && (!firstUse || isBefore(user, firstUse)))
        firstUse = user;
    if (!firstUse)
      return;
    builder.setInsertionPoint(firstUse);
    Operation *clone = builder.clone(op);
    op.replaceUsesWithIf(clone->getResults(), [&](OpOperand &use) {
      return use.getOwner() != clone && isBefore(backward, use.getOwner());
    });
    ++numCloned;
  }

  void gatherLine(const LineRef &line,
                  const DenseMap<StringAttr, onnx::ReadOp> &reads,
                  Operation *backward) {
    SmallVector<Value> values;
    for (StringAttr name : line.get().getParameters()) {
      onnx::ReadOp read = reads.lookup(name);
      values.push_back(read ? read.getResult() : Value());
    }
    if (UnitOp(line.unit).getRoot()) {
      gatherUses(line, values, [](Operation *) { return true; });
      return;
    }
    gatherUses(line, values,
               [&](Operation *user) { return isBefore(user, backward); });
    gatherUses(line, values,
               [&](Operation *user) { return isBefore(backward, user); });
  }

  /// One gather for the uses of `values` that `wanted` accepts, released after
  /// the last of them.
  void gatherUses(const LineRef &line, MutableArrayRef<Value> values,
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
    builder.setInsertionPointAfter(lastUser(full));
    builder.create<ReleaseOp>(first->getLoc(), line.unitName(), line.index,
                              full);
  }

  /// The last op that uses `values` or what is computed from weights alone,
  /// views included: a chain may not cross its weights' release.
  Operation *lastUser(ValueRange values) {
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
          if (weightValues.contains(result))
            pending.push_back(result);
      }
    return last;
  }

  DenseSet<Value> weightValues;
};
} // namespace
