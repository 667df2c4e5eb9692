//===- OrderGathers.cpp - Sorted indices for gradients of gathers ---------===//
//
//   %d = train.kernel "gather_grad" (%i, %dy) {
//     %0 = train.gather_grad %i, %dy ... }
// becomes
//   %o, %s = train.kernel "order_indices" (%i) {
//     %0, %1 = train.order_indices %i rows 50257 ... }
//   %d = train.kernel "gather_grad" (%o, %s, %dy) {
//     %0 = train.gather_grad_ordered %o, %s, %dy ... }
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <limits>

namespace fsdp {
#define GEN_PASS_DEF_KERNELORDERGATHERS
#include "passes/Kernel/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

/// The gradient that is all of `kernel`; null: it is something else.
static train::GatherGradOp gradientIn(train::KernelOp kernel) {
  auto grad = dyn_cast<train::GatherGradOp>(kernel.getBody().front().front());
  bool isAll = grad && isa<train::YieldOp>(grad->getNextNode()) &&
               isa<BlockArgument>(grad.getIndices()) &&
               isa<BlockArgument>(grad.getDy());
  return isAll ? grad : train::GatherGradOp();
}

namespace {
struct OrderGathers : public fsdp::impl::KernelOrderGathersBase<OrderGathers> {
  using KernelOrderGathersBase::KernelOrderGathersBase;

  void runOnOperation() override {
    SmallVector<train::KernelOp> kernels;
    getOperation().walk([&](train::KernelOp op) { kernels.push_back(op); });
    for (train::KernelOp kernel : kernels)
      if (train::GatherGradOp grad = gradientIn(kernel); grad && fits(grad))
        order(kernel, grad);
  }

  bool fits(train::GatherGradOp grad) const {
    auto table = cast<RankedTensorType>(grad.getDtable().getType());
    auto indices = cast<RankedTensorType>(grad.getIndices().getType());
    return grad.getBatchDims() == 0 && table.getNumElements() > 0 &&
           table.getRank() > 0 && indices.getNumElements() > 0 &&
           indices.getNumElements() <= most &&
           table.getDimSize(0) < std::numeric_limits<int32_t>::max();
  }

  using Build = llvm::function_ref<Operation *(OpBuilder &, ValueRange)>;

  /// A kernel of the one op that `build` makes of `inputs`.
  static train::KernelOp build(train::KernelOp at, StringRef name,
                               ValueRange inputs, TypeRange results,
                               Build build) {
    OpBuilder b(at);
    auto kernel = b.create<train::KernelOp>(at.getLoc(), results, name, inputs,
                                            onnx::getScope(at));
    Block *body = &kernel.getBody().emplaceBlock();
    for (Value input : inputs)
      body->addArgument(input.getType(), at.getLoc());
    b.setInsertionPointToStart(body);
    Operation *op = build(b, body->getArguments());
    b.create<train::YieldOp>(at.getLoc(), op->getResults());
    return kernel;
  }

  void order(train::KernelOp kernel, train::GatherGradOp grad) {
    auto inputOf = [&](Value argument) {
      return kernel.getInputs()[cast<BlockArgument>(argument).getArgNumber()];
    };
    StringRef scope = onnx::getScope(kernel);
    Type table = grad.getDtable().getType();
    auto indices = cast<RankedTensorType>(grad.getIndices().getType());
    Type places = RankedTensorType::get({indices.getNumElements()},
                                        IntegerType::get(&getContext(), 32));
    train::KernelOp ordered =
        build(kernel, "order_indices", inputOf(grad.getIndices()),
              {places, places}, [&](OpBuilder &b, ValueRange args) {
                int64_t rows = cast<RankedTensorType>(table).getDimSize(0);
                return b.create<train::OrderIndicesOp>(
                    grad.getLoc(), places, places, args[0], rows, scope);
              });
    Value inputs[] = {ordered.getOutputs()[0], ordered.getOutputs()[1],
                      inputOf(grad.getDy())};
    train::KernelOp sums =
        build(kernel, kernel.getName(), inputs, table,
              [&](OpBuilder &b, ValueRange args) {
                return b.create<train::GatherGradOrderedOp>(
                    grad.getLoc(), table, args[0], args[1], args[2],
                    grad.getPaddingIdxAttr(), scope);
              });
    kernel.getOutputs().front().replaceAllUsesWith(sums.getOutputs().front());
    kernel.erase();
    ++numOrdered;
  }
};
} // namespace
