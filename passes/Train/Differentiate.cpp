//===- Differentiate.cpp - Reverse sweep over a straight line -------------===//
#include "passes/Train/Differentiate.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fsdp;

namespace {
bool isDifferentiable(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

class Sweep {
public:
  Sweep(OpBuilder &builder, Value output, ValueRange wrt)
      : builder(builder), output(output) {
    active.insert(wrt.begin(), wrt.end());
  }

  LogicalResult run(Value seed) {
    SmallVector<Operation *> path = findPath();
    if (failed(checkDifferentiable(path)))
      return failure();
    if (active.contains(output))
      gradients[output] = seed;
    for (Operation *op : llvm::reverse(path))
      if (failed(visit(op)))
        return failure();
    return success();
  }

  Value gradientOf(Value value) { return gradients.lookup(value); }

private:
  bool dependsOnActive(Operation &op) {
    return !isa<onnx::StopGradientOp>(op) &&
           llvm::any_of(op.getOperands(),
                        [&](Value v) { return active.contains(v); });
  }

  /// The ops from `wrt` to `output`, in order. Marks what depends on `wrt`.
  SmallVector<Operation *> findPath() {
    Operation *last = output.getDefiningOp();
    SmallVector<Operation *> dependent;
    DenseSet<Value> needed = {output};
    for (Operation &op : *last->getBlock()) {
      if (dependsOnActive(op)) {
        dependent.push_back(&op);
        for (Value result : op.getResults())
          if (isDifferentiable(result)) // a comparison's result is constant
            active.insert(result);
      }
      if (&op == last)
        break;
    }
    SmallVector<Operation *> path;
    for (Operation *op : llvm::reverse(dependent)) {
      if (llvm::none_of(op->getResults(), [&](Value v) {
            return needed.contains(v) && active.contains(v);
          }))
        continue;
      needed.insert(op->operand_begin(), op->operand_end());
      path.push_back(op);
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  LogicalResult checkDifferentiable(ArrayRef<Operation *> path) {
    llvm::MapVector<OperationName, std::pair<unsigned, Operation *>> missing;
    for (Operation *op : path)
      if (!isa<onnx::DifferentiableOpInterface>(op))
        if (missing.try_emplace(op->getName(), 0, op).first->second.first++ ==
            0)
          continue;
    if (missing.empty())
      return success();
    auto error = emitError(output.getLoc())
                 << "the loss depends on parameters through ops that have no "
                    "gradient:";
    for (auto &[name, entry] : missing)
      error << " '" << name.getStringRef() << "' (" << entry.first
            << " times, first in '" << onnx::getScope(entry.second) << "')";
    return error;
  }

  LogicalResult visit(Operation *op) {
    SmallVector<Value> outputGrads;
    for (Value result : op->getResults())
      outputGrads.push_back(gradients.lookup(result));
    if (llvm::none_of(outputGrads, [](Value v) { return bool(v); }))
      return success();
    SmallVector<bool> wanted;
    for (Value operand : op->getOperands())
      wanted.push_back(active.contains(operand));
    SmallVector<Value> inputGrads;
    if (failed(cast<onnx::DifferentiableOpInterface>(op).buildGradients(
            builder, outputGrads, wanted, inputGrads)))
      return failure();
    for (auto [operand, grad, want] :
         llvm::zip(op->getOperands(), inputGrads, wanted))
      if (want && grad)
        accumulate(op, operand, grad);
    return success();
  }

  void accumulate(Operation *op, Value operand, Value grad) {
    Value &sum = gradients[operand];
    sum = sum ? builder
                    .create<onnx::AddOp>(op->getLoc(), sum, grad,
                                         onnx::getScope(op))
                    .getY()
              : grad;
  }

  OpBuilder &builder;
  Value output;
  DenseSet<Value> active; ///< depends on `wrt`
  DenseMap<Value, Value> gradients;
};
} // namespace

LogicalResult fsdp::differentiate(OpBuilder &builder, Value output, Value seed,
                                  ValueRange wrt,
                                  SmallVectorImpl<Value> &grads) {
  if (!output.getDefiningOp())
    return emitError(output.getLoc()) << "the loss does not depend on anything";
  Sweep sweep(builder, output, wrt);
  if (failed(sweep.run(seed)))
    return failure();
  for (Value value : wrt)
    grads.push_back(sweep.gradientOf(value));
  return success();
}
