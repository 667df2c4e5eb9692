//===- Recompute.cpp - Values computed again in backward ------------------===//
//
//   %h = onnx.gelu %a                     %h = onnx.gelu %a
//   %y = onnx.matmul %h, %w               %y = onnx.matmul %h, %w
//   train.backward_begin                  train.backward_begin
//   ...                             ->    ...
//   %dw = onnx.matmul %h, %dy             %b = train.barrier %a
//                                         %h1 = onnx.gelu %b
//                                         %dw = onnx.matmul %h1, %dy
//
// What a region (a module that --recompute names) keeps for backward is chosen
// first, the last region first: then it is known what later regions read. A
// region's barrier stands before the first op of backward that reads something
// computed again, each such value before the first op that reads it.
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Support/Values.h"
#include "passes/Train/Passes.h"
#include "passes/Train/RecomputeRules.h"
#include "passes/Train/SavedValues.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINRECOMPUTE
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// What the step computes, as regions see it.
struct Step {
  Step(Block &block, const RecomputeRules &rules) : rules(rules) {
    bool isModel = true, isForward = true;
    for (Operation &op : block) {
      // The loss, which begins with the first op of `train`, is no module.
      isModel &= !isa_and_nonnull<train::TrainDialect>(op.getDialect());
      isForward &= !isa<train::BackwardBeginOp>(op);
      if (isForward)
        forward.insert(&op);
      else if (StringRef region = regionOf(&op).module; !region.empty())
        gradients[region].push_back(&op);
      if (isModel)
        addModelOp(op);
    }
  }

  RecomputedModule regionOf(Operation *op) const {
    return rules.regionOf(onnx::getScope(op));
  }

  /// Whether backward needs `value` or a view of it, apart from the gradients
  /// of `region`.
  bool isKeptOutside(Value value, const RecomputedModule &region) const {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      if (forward.contains(user))
        return isa<onnx::ReshapeOp>(user) &&
               isKeptOutside(user->getResult(0), region);
      return isa<train::BarrierOp>(user) || region.module.empty() ||
             !(regionOf(user) == region);
    });
  }

  /// Constants, parameters and what is computed from these alone: there
  /// wherever it is read, since InsertGathers computes it behind each gather.
  bool isFree(Value value) const { return weights.contains(value); }

  const RecomputeRules &rules;
  DenseSet<Operation *> forward;
  /// Backward's ops by region, in order.
  llvm::StringMap<SmallVector<Operation *>> gradients;
  /// The model's ops by region, in order.
  llvm::MapVector<StringRef,
                  std::pair<RecomputedModule, SmallVector<Operation *>>>
      regions;

private:
  void addModelOp(Operation &op) {
    if (isa<onnx::ReadOp, onnx::ConstantOp>(op) ||
        (op.getNumOperands() && isMemoryEffectFree(&op) &&
         llvm::all_of(op.getOperands(), [&](Value v) { return isFree(v); }))) {
      weights.insert(op.result_begin(), op.result_end());
      return;
    }
    RecomputedModule region = regionOf(&op);
    if (!region.module.empty() && isMemoryEffectFree(&op)) {
      auto &entry = regions[region.module];
      entry.first = region;
      entry.second.push_back(&op);
    }
  }

  DenseSet<Value> weights;
};

/// Computes one region's values again.
class ModuleRecompute {
public:
  ModuleRecompute(const Step &step, const RecomputedModule &region,
                  ArrayRef<Operation *> ops)
      : step(step), region(region), ops(ops.begin(), ops.end()) {}

  /// How many ops were computed again.
  int64_t run() {
    findNeeded();
    if (needed.empty())
      return 0;
    chooseSaved();
    for (OpOperand *use : uses)
      if (!isSaved(use->get()))
        recompute(*use);
    return numCloned;
  }

private:
  /// The region's values that only its own gradients read, and these uses, in
  /// order.
  void findNeeded() {
    for (Operation *op : step.gradients.lookup(region.module)) {
      for (OpOperand &use : op->getOpOperands())
        if (isOwn(use.get()) && !isKept(use.get())) {
          uses.push_back(&use);
          needed.insert(use.get());
        }
    }
  }

  bool isOwn(Value value) const { return ops.contains(value.getDefiningOp()); }

  /// Whether `value` stays in memory whatever this region does.
  bool isKept(Value value) {
    auto [it, isNew] = kept.try_emplace(value, false);
    if (!isNew)
      return it->second;
    Value source = viewSource(value);
    return kept[value] =
               isa<BlockArgument>(source) ||
               step.isKeptOutside(source,
                                  isOwn(source) ? region : RecomputedModule());
  }

  void chooseSaved() {
    if (!region.elementwise)
      return;
    auto isSource = [&](Value value) {
      return !isOwn(value) ||
             isa<onnx::MatMulOp, onnx::AttentionOp>(value.getDefiningOp());
    };
    auto bytes = [&](Value value) -> int64_t {
      if (isKept(value))
        return 0;
      bool isView = isOwn(value) && viewSource(value) != value;
      return isView ? INT64_MAX / 4 : byteSize(value.getType());
    };
    saved = cheapestSaved(
        needed.getArrayRef(),
        {bytes, isSource, [&](Value value) { return step.isFree(value); }});
  }

  /// Whether what is computed again reads the first `value`, not another.
  bool isSaved(Value value) {
    return !isOwn(value) || isKept(value) || saved.contains(value);
  }

  void recompute(OpOperand &use) {
    Operation *reader = use.getOwner();
    OpBuilder builder(reader);
    if (!barrier)
      buildBarrier(builder);
    builder.setInsertionPoint(reader);
    use.set(again(builder, use.get()));
  }

  /// One barrier for all that is read, at the first op that needs any of it.
  void buildBarrier(OpBuilder &builder) {
    llvm::SetVector<Value> inputs;
    DenseSet<Operation *> seen;
    for (Value value : needed)
      collectInputs(value, inputs, seen);
    SmallVector<Type> types(
        llvm::map_range(inputs, [](Value value) { return value.getType(); }));
    barrier = builder.create<train::BarrierOp>(
        builder.getInsertionPoint()->getLoc(), types, inputs.getArrayRef(),
        region.module);
    mapping.map(inputs.getArrayRef(), barrier.getYs());
  }

  void collectInputs(Value value, llvm::SetVector<Value> &inputs,
                     DenseSet<Operation *> &seen) {
    if (isSaved(value) || !seen.insert(value.getDefiningOp()).second)
      return;
    for (Value operand : value.getDefiningOp()->getOperands())
      if (step.isFree(operand))
        continue;
      else if (isSaved(operand))
        inputs.insert(operand);
      else
        collectInputs(operand, inputs, seen);
  }

  /// `value` behind the barrier, computed where it was not yet.
  Value again(OpBuilder &builder, Value value) {
    if (step.isFree(value) || mapping.contains(value))
      return mapping.lookupOrDefault(value);
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      again(builder, operand);
    Operation *clone = builder.clone(*op, mapping);
    clone->setAttr(train::kRecomputed, builder.getUnitAttr());
    ++numCloned;
    return mapping.lookup(value);
  }

  const Step &step;
  const RecomputedModule &region;
  DenseSet<Operation *> ops;
  SmallVector<OpOperand *> uses;
  llvm::SetVector<Value> needed;
  DenseSet<Value> saved; ///< of the region's values, besides those kept
  DenseMap<Value, bool> kept;
  train::BarrierOp barrier;
  IRMapping mapping;
  int64_t numCloned = 0;
};

struct Recompute : public fsdp::impl::TrainRecomputeBase<Recompute> {
  using TrainRecomputeBase::TrainRecomputeBase;

  void runOnOperation() override {
    train::BackwardBeginOp backward = findBackward(getOperation());
    if (!backward)
      return signalPassFailure();
    Block &block = *backward->getBlock();
    FailureOr<RecomputeRules> parsed = RecomputeRules::parse(
        getOperation(), rules, units, collectScopes(block));
    if (failed(parsed))
      return signalPassFailure();
    Step step(block, *parsed);
    for (auto &[name, entry] : llvm::reverse(step.regions)) {
      int64_t cloned = ModuleRecompute(step, entry.first, entry.second).run();
      numRecomputed += cloned;
      numRegions += cloned > 0;
    }
  }

  /// Of the model's ops: those before the loss.
  static SmallVector<StringRef> collectScopes(Block &block) {
    SmallVector<StringRef> scopes;
    for (Operation &op : block) {
      if (isa_and_nonnull<train::TrainDialect>(op.getDialect()))
        break;
      scopes.push_back(onnx::getScope(&op));
    }
    return scopes;
  }
};
} // namespace
