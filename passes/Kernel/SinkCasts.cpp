//===- SinkCasts.cpp - A widened value is widened where it is read --------===//
//
//   %w = onnx.cast %x : bf16 -> f32
//   %a = onnx.exp %w
//   %b = onnx.mul %w, %c
// becomes
//   %w0 = onnx.cast %x    %a = onnx.exp %w0
//   %w1 = onnx.cast %x    %b = onnx.mul %w1, %c
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fsdp {
#define GEN_PASS_DEF_KERNELSINKCASTS
#include "passes/Kernel/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

bool fsdp::isWideningCast(Operation *op) {
  auto cast = dyn_cast<onnx::CastOp>(op);
  if (!cast)
    return false;
  auto elementOf = [](Value value) {
    return llvm::cast<RankedTensorType>(value.getType()).getElementType();
  };
  Type from = elementOf(cast.getX()), to = elementOf(cast.getY());
  return isa<FloatType>(from) && isa<FloatType>(to) &&
         from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth();
}

namespace {
struct SinkCasts : public fsdp::impl::KernelSinkCastsBase<SinkCasts> {
  using KernelSinkCastsBase::KernelSinkCastsBase;

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Block &block : func.getBody())
        for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
          if (isWideningCast(&op))
            sink(cast<onnx::CastOp>(op));
  }

  /// Every elementwise reader gets its own cast; the others, which would need
  /// the widened value in memory, share one.
  void sink(onnx::CastOp cast) {
    SmallPtrSet<Operation *, 8> readers;
    Operation *firstOther = nullptr;
    for (Operation *user : cast->getUsers()) {
      if (isElementwise(user))
        readers.insert(user);
      else if (!firstOther || user->isBeforeInBlock(firstOther))
        firstOther = user;
    }
    for (Operation *reader : readers) {
      OpBuilder builder(reader);
      Operation *own = builder.clone(*cast);
      reader->replaceUsesOfWith(cast.getY(), own->getResult(0));
      ++numSunk;
    }
    if (firstOther)
      cast->moveBefore(firstOther);
    else
      cast.erase();
  }
};
} // namespace
