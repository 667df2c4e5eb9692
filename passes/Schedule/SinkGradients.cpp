//===- SinkGradients.cpp - Weight gradients as late as memory likes -------===//
//
//   %dw = onnx.matmul %x, %dy           %dx = onnx.matmul %dy, %w
//   %dx = onnx.matmul %dy, %w           fsdp.release "h.0" (%w)
//   fsdp.release "h.0" (%w)        ->   %dw = onnx.matmul %x, %dy
//   %p = fsdp.reduce_scatter_start      %p = fsdp.reduce_scatter_start
//
//===----------------------------------------------------------------------===//
#include "passes/Schedule/Passes.h"
#include "passes/Shard/Lines.h"
#include "passes/Support/Step.h"
#include "passes/Support/Values.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPSINKGRADIENTS
#include "passes/Schedule/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
int64_t bytesOf(ValueRange values) {
  int64_t bytes = 0;
  for (Value value : values)
    if (isa<RankedTensorType>(value.getType()))
      bytes += byteSize(value.getType());
  return bytes;
}

/// The op that computes `value`, views aside; null for an argument.
Operation *sourceOf(Value value) { return viewSource(value).getDefiningOp(); }

/// Whether `value` is a gathered parameter or computed from such alone.
bool isWeight(Value value) {
  Operation *source = sourceOf(value);
  if (isa_and_nonnull<WaitOp>(source))
    return true;
  auto isConstant = [](Value operand) {
    return isa_and_nonnull<onnx::ConstantOp>(operand.getDefiningOp());
  };
  return source && isMemoryEffectFree(source) &&
         !llvm::all_of(source->getOperands(), isConstant) &&
         llvm::all_of(source->getOperands(), [&](Value operand) {
           return isConstant(operand) || isWeight(operand);
         });
}

/// What takes a line's gradients and the pure ops that lead to it alone, in
/// order.
class GradientLine {
public:
  explicit GradientLine(const GradientLineRef &line)
      : start(line.op), grads(line.grads) {
    llvm::SmallSetVector<Operation *, 16> found;
    found.insert(start);
    Operation *op = start->getPrevNode();
    for (; op && !isa<train::BackwardBeginOp>(op); op = op->getPrevNode())
      if (isMemoryEffectFree(op) && !op->use_empty() &&
          llvm::all_of(op->getUsers(),
                       [&](Operation *user) { return found.contains(user); }))
        found.insert(op);
    ops.assign(found.rbegin(), std::prev(found.rend()));
    for (auto release : start->getBlock()->getOps<ReleaseOp>())
      if (release.getUnit() == line.unit &&
          int64_t(release.getLine()) == line.line &&
          release->isBeforeInBlock(start))
        last = release;
  }

  /// The line's buffer, as large as the gathered one, is alive from its first
  /// gradient on.
  void sink() {
    if (!last || ops.empty())
      return;
    int64_t lineBytes = bytesOf(last.getValues());
    // As late as the operands held for it are smaller than the line...
    for (size_t count = countMovable(); count > countBefore(); --count) {
      ArrayRef<Operation *> moved = ArrayRef(ops).take_front(count);
      Operation *place = count < ops.size() ? ops[count] : start;
      if (ops.front()->isBeforeInBlock(last) &&
          heldBytes(moved, place) < lineBytes)
        return move(moved, place);
    }
    // ... or else behind the gathered line: each op is then alone with its
    // operands and one of the lines.
    Operation *place = last->getNextNode();
    SmallVector<Operation *> early = collectBefore(place);
    int64_t most = 0;
    for (Operation *op : early)
      most = std::max(most, heldBytes(op, place));
    size_t first = countBefore();
    if (first < ops.size() && llvm::is_contained(early, ops[first]) &&
        heldBytes(early, place) < lineBytes + most)
      move(early, place);
  }

private:
  static void move(ArrayRef<Operation *> moved, Operation *place) {
    for (Operation *op : moved)
      op->moveBefore(place);
  }

  /// The movable ops before `place` that nothing else reads before it.
  SmallVector<Operation *> collectBefore(Operation *place) {
    SmallVector<Operation *> found;
    for (Operation *op :
         llvm::reverse(ArrayRef(ops).take_front(countMovable())))
      if (op->isBeforeInBlock(place) &&
          llvm::all_of(op->getUsers(), [&](Operation *user) {
            return llvm::is_contained(found, user) ||
                   !user->isBeforeInBlock(place);
          }))
        found.push_back(op);
    std::reverse(found.begin(), found.end());
    return found;
  }

  /// How many ops come before the first that writes into the line.
  size_t countBefore() {
    DenseSet<Operation *> writers;
    for (Value grad : grads)
      addWriters(grad, writers);
    return llvm::find_if(ops,
                         [&](Operation *op) { return writers.contains(op); }) -
           ops.begin();
  }

  /// A gradient is computed in the line, and so is a tied one's first part, to
  /// which the others are added.
  static void addWriters(Value grad, DenseSet<Operation *> &writers) {
    Operation *source = sourceOf(grad);
    if (!source || !writers.insert(source).second)
      return;
    if (isa<onnx::AddOp>(source))
      for (Value part : source->getOperands())
        if (part.getType() == source->getResult(0).getType())
          addWriters(part, writers);
  }

  /// How many of the first ops read no gathered parameter, which is released.
  size_t countMovable() {
    auto blocked = llvm::find_if(ops, [](Operation *op) {
      return llvm::any_of(op->getOperands(), isWeight);
    });
    return blocked - ops.begin();
  }

  /// Bytes of the operands of `moved` that only these still need at `place`.
  static int64_t heldBytes(ArrayRef<Operation *> moved, Operation *place) {
    llvm::SmallSetVector<Value, 16> held;
    for (Operation *op : moved)
      for (Value operand : op->getOperands()) {
        Operation *source = sourceOf(operand);
        if (!source || isa<onnx::ConstantOp>(source) ||
            llvm::is_contained(moved, source))
          continue;
        bool isNeeded = llvm::any_of(source->getUsers(), [&](Operation *user) {
          return !llvm::is_contained(moved, user) &&
                 !user->isBeforeInBlock(place);
        });
        if (!isNeeded)
          held.insert(viewSource(operand));
      }
    return bytesOf(held.getArrayRef());
  }

  Operation *start;
  ValueRange grads;
  ReleaseOp last; ///< of the gathered line, before `start`
  SmallVector<Operation *> ops;
};

struct SinkGradients : public fsdp::impl::FsdpSinkGradientsBase<SinkGradients> {
  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (!func)
      return signalPassFailure();
    Block &block = func.getBody().front();
    for (const GradientLineRef &line : getGradientLines(block))
      GradientLine(line).sink();
  }
};
} // namespace
