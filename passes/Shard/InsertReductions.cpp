//===- InsertReductions.cpp - Gradients to shards, updates on shards ------===//
//
//   %n = train.global_norm %g0, %g1
//   train.update @"h.0.w", %g0 lr %lr step %step clip %c {rule}
// becomes, after the last gradient of the line,
//   %p = fsdp.reduce_scatter_start "h.0" line 0 (%g0, ...) over ["shard"]
//   %s:2 = fsdp.wait %p
// and behind train.update_begin, which stands before the norm,
//   %s:2 = fsdp.accumulate "h.0" line 0 (%s...) at %microbatch
//   %q = fsdp.all_reduce(fsdp.sum_of_squares %s...)
//   %n = onnx.cast(onnx.sqrt %q)
//   fsdp.update "h.0" line 0 (%s...) lr %lr step %step clip %c
// With accumulate-sync=last whole gradients are summed up where they would be
// reduced (fsdp.accumulate_gradients), and reduced behind train.update_begin.
//
//===----------------------------------------------------------------------===//
#include "passes/Shard/Lines.h"
#include "passes/Shard/Passes.h"
#include "passes/Support/Step.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPINSERTREDUCTIONS
#include "passes/Shard/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
constexpr llvm::StringLiteral kScope = "optimizer";

struct InsertReductions
    : public fsdp::impl::FsdpInsertReductionsBase<InsertReductions> {
  using FsdpInsertReductionsBase::FsdpInsertReductionsBase;

  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (accumulateSync != "every" && accumulateSync != "last") {
      getOperation().emitError("unknown accumulate-sync '")
          << accumulateSync << "', expected every or last";
      return signalPassFailure();
    }
    if (!func || failed(reduce(func)))
      signalPassFailure();
  }

  LogicalResult reduce(func::FuncOp func) {
    DenseMap<StringAttr, train::UpdateOp> updates;
    func.walk([&](train::UpdateOp update) {
      updates[update.getParameterAttr().getAttr()] = update;
    });
    if (updates.empty())
      return func.emitError("'step' updates nothing: run "
                            "--train-build-update");
    updateBegin = findOp<train::UpdateBeginOp>(func.getBody().front());
    microbatch = findArgument(func, "microbatch");
    lastSum = nullptr; // of a module before
    SmallVector<Value> reduced;
    for (const LineRef &line : getLines(getOperation()))
      if (line.get().getTrainable() &&
          failed(reduceLine(line, updates, reduced)))
        return failure();
    SmallVector<Attribute> axes = getAxes();
    replaceNorm(func, reduced, axes);
    for (func::FuncOp reader : getReaders(getOperation()))
      replaceSums(reader, axes);
    for (auto &[name, update] : updates)
      return update.emitOpError("updates a parameter of no trainable line: run "
                                "--fsdp-assign-units after "
                                "--train-build-update");
    return success();
  }

  SmallVector<Attribute> getAxes() {
    for (const LineRef &line : getLines(getOperation())) {
      ArrayRef<StringAttr> axes = line.get().getLayout().getAxes();
      return SmallVector<Attribute>(axes.begin(), axes.end());
    }
    return {};
  }

  LogicalResult reduceLine(const LineRef &line,
                           DenseMap<StringAttr, train::UpdateOp> &updates,
                           SmallVectorImpl<Value> &reduced) {
    MLIRContext *context = &getContext();
    SmallVector<Value> grads;
    train::UpdateOp update;
    Operation *last = nullptr, *lastUpdate = nullptr;
    for (auto [i, name] : llvm::enumerate(line.get().getParameters())) {
      train::UpdateOp before = update;
      update = updates.lookup(name);
      if (!update)
        return UnitOp(line.unit).emitOpError("has parameter ")
               << name << " in a trainable line, but 'step' does not update it";
      updates.erase(name);
      if (failed(checkUpdate(line, i, update, before)))
        return failure();
      grads.push_back(inReduceType(update, line));
      Operation *def = grads.back().getDefiningOp();
      if (def && (!last || last->isBeforeInBlock(def)))
        last = def;
      if (!lastUpdate || lastUpdate->isBeforeInBlock(update))
        lastUpdate = update;
    }
    if (!last)
      return update.emitOpError("has a gradient that nothing computes");

    LayoutAttr layout = line.get().getReduceLayout();
    SmallVector<Attribute> axes(layout.getAxes().begin(),
                                layout.getAxes().end());
    SmallVector<Type> types = getShardedTypes(layout);
    OpBuilder builder(context);
    builder.setInsertionPointAfter(last);
    bool isLate = accumulateSync == "last" && updateBegin && microbatch;
    if (isLate) {
      auto sums = builder.create<AccumulateGradientsOp>(
          last->getLoc(), ValueRange(grads).getTypes(), line.unitName(),
          line.index, grads, microbatch);
      grads.assign(sums.result_begin(), sums.result_end());
      builder.setInsertionPointAfter(lastSum ? lastSum : updateBegin);
    }
    auto start = builder.create<ReduceScatterStartOp>(
        last->getLoc(), PendingType::get(context, types), line.unitName(),
        line.index, grads, builder.getArrayAttr(axes));
    auto wait =
        builder.create<WaitOp>(last->getLoc(), types, start.getPending());
    if (isLate)
      lastSum = wait;
    ValueRange sums =
        isLate ? wait.getValues() : accumulate(line, wait.getValues());
    llvm::append_range(reduced, sums);
    ++numReductions;

    builder.setInsertionPoint(lastUpdate);
    builder.create<UpdateOp>(lastUpdate->getLoc(), line.unitName(), line.index,
                             sums, update.getLr(), update.getStep(),
                             update.getClip());
    eraseUpdates(line, lastUpdate->getBlock());
    return success();
  }

  /// The sums of `grads` over the step's microbatches; themselves in a step
  /// that knows of none.
  ValueRange accumulate(const LineRef &line, ValueRange grads) {
    if (!updateBegin || !microbatch)
      return grads;
    OpBuilder builder(updateBegin);
    builder.setInsertionPointAfter(lastSum ? lastSum : updateBegin);
    auto sums = builder.create<AccumulateOp>(updateBegin->getLoc(),
                                             grads.getTypes(), line.unitName(),
                                             line.index, grads, microbatch);
    lastSum = sums;
    return sums.getSums();
  }

  /// One op is to update the line: by the rule that it has for the parameter,
  /// and with the scalars of the update `before` (null: the first).
  LogicalResult checkUpdate(const LineRef &line, size_t i,
                            train::UpdateOp update, train::UpdateOp before) {
    LayoutAttr layout = line.get().getLayout();
    if (layout.getTensorType(i).getNumElements() != 0 &&
        update.getRule() != line.get().getRule(i))
      return update.emitOpError("goes by another rule than its line has for ")
             << line.get().getParameters()[i] << ", " << line.get().getRule(i)
             << ": run --fsdp-assign-units after --train-build-update";
    if (before && (before.getLr() != update.getLr() ||
                   before.getStep() != update.getStep() ||
                   before.getClip() != update.getClip()))
      return update.emitOpError("reads another lr, step or clip than the "
                                "update of @")
             << before.getParameter() << ", which is in the same line";
    return success();
  }

  /// The update's gradient in the type that its line is reduced in.
  Value inReduceType(train::UpdateOp update, const LineRef &line) {
    Value grad = update.getGrad();
    Type element = line.get().getReduceLayout().getElementType();
    auto type = cast<RankedTensorType>(grad.getType());
    if (type.getElementType() == element)
      return grad;
    auto wanted = RankedTensorType::get(type.getShape(), element);
    auto widened = grad.getDefiningOp<onnx::CastOp>();
    if (widened && widened.getX().getType() == wanted)
      return widened.getX();
    OpBuilder builder(update);
    builder.setInsertionPointAfterValue(grad);
    return builder.create<onnx::CastOp>(grad.getLoc(), wanted, grad, kScope);
  }

  void eraseUpdates(const LineRef &line, Block *block) {
    ArrayRef<StringAttr> names = line.get().getParameters();
    for (auto update :
         llvm::make_early_inc_range(block->getOps<train::UpdateOp>()))
      if (llvm::is_contained(names, update.getParameterAttr().getAttr()))
        update.erase();
  }

  void replaceNorm(func::FuncOp func, ValueRange reduced,
                   ArrayRef<Attribute> axes) {
    auto norm = findOp<train::GlobalNormOp>(func.getBody().front());
    if (!norm)
      return;
    OpBuilder b(norm);
    Location loc = norm.getLoc();
    auto f64 = RankedTensorType::get({}, b.getF64Type());
    Value squares = b.create<SumOfSquaresOp>(loc, f64, reduced);
    Value sum = b.create<AllReduceOp>(loc, f64, squares, b.getArrayAttr(axes));
    Value root = b.create<onnx::SqrtOp>(loc, sum, kScope);
    Value result =
        b.create<onnx::CastOp>(loc, norm.getNorm().getType(), root, kScope);
    norm.replaceAllUsesWith(result);
    norm.erase();
  }

  void replaceSums(func::FuncOp func, ArrayRef<Attribute> axes) {
    Block &block = func.getBody().front();
    int64_t world = 1;
    for (const LineRef &line : getLines(getOperation()))
      world = line.get().getLayout().getNumShards();
    for (Operation &op : llvm::make_early_inc_range(block)) {
      OpBuilder b(&op);
      Value value;
      if (auto sum = dyn_cast<train::SumOverRanksOp>(op)) {
        value = b.create<AllReduceOp>(op.getLoc(), sum.getType(), sum.getX(),
                                      b.getArrayAttr(axes));
      } else if (auto count = dyn_cast<train::RankCountOp>(op)) {
        auto type = cast<RankedTensorType>(count.getType());
        value = b.create<onnx::ConstantOp>(
            op.getLoc(), type,
            DenseElementsAttr::get(
                type, b.getFloatAttr(type.getElementType(), double(world))),
            count.getScope());
      } else {
        continue;
      }
      op.getResult(0).replaceAllUsesWith(value);
      op.erase();
    }
  }

  Operation *updateBegin = nullptr, *lastSum = nullptr;
  Value microbatch;
};
} // namespace
