//===- FsdpVerify.cpp - A sharded step ------------------------------------===//
#include "passes/Shard/Lines.h"
#include "passes/Support/Step.h"
#include "passes/Verify/Passes.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPVERIFY
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
std::string keyOf(StringRef unit, int64_t line) {
  return (unit + "/" + Twine(line)).str();
}

/// The order of one function's communication, checked op by op.
class FunctionVerifier {
public:
  FunctionVerifier(ModuleOp module, func::FuncOp func, size_t maxGathered)
      : module(module), func(func), maxGathered(maxGathered),
        gathersOnce(func.getSymName() == kStep &&
                    findOp<train::MicrobatchBeginOp>(func.getBody().front())),
        isGathering(gathersOnce) {}

  LogicalResult verify() {
    for (Operation &op : func.getBody().front())
      if (failed(checkReads(op)) || failed(visit(op)))
        return failure();
    for (auto &[value, unit] : gathered)
      if (!released.contains(value))
        return value.getDefiningOp()->emitOpError("gathers unit '")
               << unit << "', which is never released (fsdp_v3)";
    return success();
  }

  llvm::StringMap<int> reduced, accumulated, updated;

private:
  /// No operand may be a weight, or computed from weights alone, that has been
  /// released.
  LogicalResult checkReads(Operation &op) {
    if (isa<ReleaseOp>(op))
      return success();
    llvm::SmallSetVector<Value, 2> sources;
    bool onlyWeights = isMemoryEffectFree(&op);
    for (Value operand : op.getOperands()) {
      auto it = weightsOf.find(operand);
      if (it != weightsOf.end())
        sources.insert(it->second.begin(), it->second.end());
      else if (!isa_and_nonnull<onnx::ConstantOp>(operand.getDefiningOp()))
        onlyWeights = false;
    }
    for (Value source : sources)
      if (released.contains(source))
        return op.emitOpError("reads a parameter of unit '")
               << gathered.lookup(source) << "' after its release (fsdp_v4)";
    if (onlyWeights && !sources.empty())
      for (Value result : op.getResults())
        weightsOf[result] = llvm::to_vector<1>(sources);
    return success();
  }

  LogicalResult visit(Operation &op) {
    if (isa<onnx::ReadOp, train::UpdateOp>(op))
      return op.emitOpError("works on a whole parameter (fsdp_v7)");
    if (isa<AllGatherStartOp, ReduceScatterStartOp>(op)) {
      auto waits = llvm::count_if(op.getResult(0).getUsers(),
                                  [](auto *user) { return isa<WaitOp>(user); });
      if (waits != 1)
        return op.emitOpError("is waited for ")
               << waits << " times, expected once (fsdp_v2)";
    }
    if (failed(visitParts(op)))
      return failure();
    if (auto begin = dyn_cast<train::BackwardBeginOp>(op))
      return visitBackwardBegin(begin);
    if (auto start = dyn_cast<AllGatherStartOp>(op))
      return visitGather(start);
    if (auto start = dyn_cast<ReduceScatterStartOp>(op))
      ++reduced[keyOf(start.getUnit(), start.getLine())];
    if (auto update = dyn_cast<UpdateOp>(op))
      return visitUpdate(update);
    if (auto wait = dyn_cast<WaitOp>(op))
      return visitWait(wait);
    if (auto release = dyn_cast<ReleaseOp>(op))
      return visitRelease(release);
    return success();
  }

  /// What runs for each microbatch, what sums them up and what runs once.
  LogicalResult visitParts(Operation &op) {
    if (isa<train::UpdateBeginOp>(op)) {
      if (isUpdating || func.getSymName() != kStep)
        return op.emitOpError("stands in '")
               << func.getSymName() << "', expected once in '" << kStep
               << "' (fsdp_v9)";
      isUpdating = true;
    } else if (isa<train::MicrobatchBeginOp>(op)) {
      if (!isGathering)
        return op.emitOpError("stands in '")
               << func.getSymName() << "', expected once in '" << kStep
               << "', before 'train.update_begin' (fsdp_v10)";
      isGathering = false;
    } else if (isGathering &&
               !isa<onnx::ConstantOp, ShardsOp, AllGatherStartOp, WaitOp>(op)) {
      return op.emitOpError("stands before 'train.microbatch_begin', expected "
                            "gathers alone (fsdp_v10)");
    } else if (isa<AllGatherStartOp>(op) && gathersOnce && !isGathering) {
      return op.emitOpError(
          "stands behind 'train.microbatch_begin' (fsdp_v10)");
    } else if (auto sum = dyn_cast<AccumulateOp>(op)) {
      if (!isa_and_nonnull<train::UpdateBeginOp, AccumulateOp>(
              op.getPrevNode()))
        return op.emitOpError("does not follow 'train.update_begin' or another "
                              "one (fsdp_v9)");
      if (failed(verifyOnlySum(op, sum.getGrads())))
        return failure();
      ++accumulated[keyOf(sum.getUnit(), sum.getLine())];
    } else if (auto sum = dyn_cast<AccumulateGradientsOp>(op)) {
      if (isUpdating)
        return op.emitOpError("stands behind 'train.update_begin' (fsdp_v9)");
      if (failed(verifyOnlySum(op, sum.getGrads())))
        return failure();
      ++accumulated[keyOf(sum.getUnit(), sum.getLine())];
    } else if (isa<UpdateOp>(op) && !isUpdating && !accumulated.empty()) {
      return op.emitOpError("stands before 'train.update_begin' (fsdp_v9)");
    } else if (isa<AllGatherStartOp>(op) ? isUpdating
               : isa<ReduceScatterStartOp>(op)
                   ? isUpdating != takesSums(cast<ReduceScatterStartOp>(op))
                   : false) {
      return op.emitOpError("stands ") << (isUpdating ? "behind" : "before")
                                       << " 'train.update_begin' (fsdp_v9)";
    }
    return success();
  }

  /// What goes on with one microbatch's gradients would forget the others'.
  LogicalResult verifyOnlySum(Operation &sum, ValueRange grads) {
    auto begin = findOp<train::UpdateBeginOp>(*sum.getBlock());
    for (Value grad : grads)
      for (Operation *user : grad.getUsers())
        if (user != &sum && begin && begin->isBeforeInBlock(user))
          return user->emitOpError(
                     "reads a gradient of one microbatch, expected the sum "
                     "that '")
                 << sum.getName() << "' makes of it (fsdp_v9)";
    return success();
  }

  LogicalResult visitUpdate(UpdateOp update) {
    std::string key = keyOf(update.getUnit(), update.getLine());
    if (reduced.lookup(key) != 1 || ++updated[key] != 1)
      return update.emitOpError("is not the only update after the only "
                                "reduction of its line (fsdp_v6)");
    return success();
  }

  /// What is resharded after forward takes no memory between its directions.
  LogicalResult visitBackwardBegin(train::BackwardBeginOp begin) {
    for (const auto &unit : alive)
      for (auto [line, gathers] : unit.second)
        if (gathers > 0 && !gathersOnce)
          return begin.emitOpError("stands where unit '")
                 << unit.first()
                 << "' is gathered, which is resharded after forward "
                    "(fsdp_v11)";
    return success();
  }

  /// A gather takes memory from its start on.
  LogicalResult visitGather(AllGatherStartOp start) {
    if (updated.lookup(keyOf(start.getUnit(), start.getLine())))
      return start.emitOpError("gathers unit '")
             << start.getUnit() << "' after its update (fsdp_v8)";
    auto unit = module.lookupSymbol<UnitOp>(start.getUnit());
    bool reshards = unit && unit.getEffectivePolicy().getReshardAfterForward();
    if (unit && !reshards &&
        ++kept[keyOf(start.getUnit(), start.getLine())] > 1)
      return start.emitOpError("gathers unit '")
             << start.getUnit()
             << "' again, which is not resharded after forward (fsdp_v11)";
    if (reshards)
      ++alive[start.getUnit()][start.getLine()];
    if (!gathersOnce && countAlive() > maxGathered)
      return start.emitOpError("gathers unit '")
             << start.getUnit() << "' while " << maxGathered
             << " others are gathered (fsdp_v5)";
    return success();
  }

  LogicalResult visitWait(WaitOp wait) {
    auto start = wait.getPending().getDefiningOp<AllGatherStartOp>();
    if (!start)
      return success();
    Value first = wait.getValues().front();
    gathered[first] = start.getUnit();
    for (Value value : wait.getValues())
      weightsOf[value] = {first};
    return success();
  }

  LogicalResult visitRelease(ReleaseOp release) {
    Value first =
        release.getValues().empty() ? Value() : release.getValues().front();
    if (!gathered.contains(first) || !released.insert(first).second)
      return release.emitOpError("releases what is not gathered (fsdp_v3)");
    auto start = first.getDefiningOp<WaitOp>()
                     .getPending()
                     .getDefiningOp<AllGatherStartOp>();
    if (auto it = alive.find(start.getUnit()); it != alive.end())
      --it->second[start.getLine()];
    return success();
  }

  /// Units that are gathered; one that is gathered for two visits at once takes
  /// the memory of two.
  size_t countAlive() {
    size_t count = 0;
    for (const auto &unit : alive) {
      if (module.lookupSymbol<UnitOp>(unit.first()).getRoot())
        continue;
      int64_t most = 0;
      for (auto [line, gathers] : unit.second)
        most = std::max(most, gathers);
      count += most;
    }
    return count;
  }

  ModuleOp module;
  func::FuncOp func;
  llvm::MapVector<Value, StringRef> gathered; ///< first value of a wait -> unit
  /// A weight, or what is computed from weights alone -> the first values of
  /// the waits it comes from.
  DenseMap<Value, SmallVector<Value, 1>> weightsOf;
  DenseSet<Value> released;
  /// Unit -> line -> its gathers that are not released.
  llvm::StringMap<DenseMap<int64_t, int64_t>> alive;
  llvm::StringMap<int> kept; ///< gathers of lines that stay until backward
  size_t maxGathered;
  bool isUpdating = false; ///< `train.update_begin` lies behind
  /// Whether `train.microbatch_begin` parts the function, and lies ahead.
  bool gathersOnce, isGathering;
};

struct FsdpVerify : public fsdp::impl::FsdpVerifyBase<FsdpVerify> {
  using FsdpVerifyBase::FsdpVerifyBase;

  void runOnOperation() override {
    int64_t depth = 1;
    for (auto unit : getOperation().getOps<UnitOp>()) {
      PolicyAttr policy = unit.getEffectivePolicy();
      depth = std::max(
          {depth, policy.getPrefetchForward(), policy.getPrefetchBackward()});
    }
    size_t maxGathered = size_t(depth) + 1;
    if (failed(verifyUnits()))
      return signalPassFailure();
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (func.isDeclaration())
        continue;
      FunctionVerifier verifier(getOperation(), func, maxGathered);
      if (failed(verifier.verify()) ||
          (func.getSymName() == kStep && failed(verifyLines(verifier))))
        return signalPassFailure();
    }
  }

  LogicalResult verifyUnits() {
    llvm::StringSet<> seen;
    for (const LineRef &line : getLines(getOperation()))
      for (StringAttr name : line.get().getParameters())
        if (!seen.insert(name).second)
          return UnitOp(line.unit).emitOpError("holds parameter ")
                 << name << ", which another line holds as well (fsdp_v1)";
    return success();
  }

  LogicalResult verifyLines(FunctionVerifier &verifier) {
    for (const LineRef &line : getLines(getOperation())) {
      std::string key = keyOf(line.unitName(), line.index);
      int wanted = line.get().getTrainable() ? 1 : 0;
      if (verifier.reduced.lookup(key) != wanted ||
          verifier.updated.lookup(key) != wanted)
        return UnitOp(line.unit).emitOpError("line ")
               << line.index << " is reduced " << verifier.reduced.lookup(key)
               << " and updated " << verifier.updated.lookup(key)
               << " times, expected " << wanted << " (fsdp_v6)";
      int sums = verifier.accumulated.lookup(key);
      if (!verifier.accumulated.empty() && sums != wanted)
        return UnitOp(line.unit).emitOpError("line ")
               << line.index << " is accumulated " << sums
               << " times, expected " << wanted << " as others are (fsdp_v9)";
    }
    return success();
  }
};
} // namespace
