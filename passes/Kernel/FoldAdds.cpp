//===- FoldAdds.cpp - Biases and residuals into products ------------------===//
//
//   %y = onnx.matmul %x, %w
//   %z = onnx.add %y, %b
// becomes
//   %z = train.linear %x, %w bias %b
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Passes.h"
#include "passes/Support/Values.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fsdp {
#define GEN_PASS_DEF_KERNELFOLDADDS
#include "passes/Kernel/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// Whether `value` is one row of `y`, in the type of the product's operands.
bool isRowOf(Value value, Value y, Value operand) {
  int64_t width = typeOf(y).getShape().back();
  ArrayRef<int64_t> shape = typeOf(value).getShape();
  return typeOf(value).getNumElements() == width && !shape.empty() &&
         shape.back() == width &&
         typeOf(value).getElementType() == typeOf(operand).getElementType();
}

struct FoldAdds : public fsdp::impl::KernelFoldAddsBase<FoldAdds> {
  using KernelFoldAddsBase::KernelFoldAddsBase;

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Block &block : func.getBody()) {
        SmallVector<onnx::MatMulOp> products(block.getOps<onnx::MatMulOp>());
        for (onnx::MatMulOp matmul : products)
          fold(matmul);
      }
  }

  void fold(onnx::MatMulOp matmul) {
    Type element = typeOf(matmul.getLhs()).getElementType();
    bool isInLibrary = element.isF32() || (element.isBF16() && libraryBf16) ||
                       (element.isF16() && libraryF16);
    if (!isInLibrary || typeOf(matmul.getY()).getElementType() != element)
      return;
    Value y = matmul.getY(), bias, residual;
    SmallVector<Operation *> folded = {matmul};
    auto take = [&](onnx::AddOp add, Value &into, Value other) {
      into = other;
      y = add.getY();
      folded.push_back(add);
    };
    if (onnx::AddOp add = nextAdd(y))
      if (Value other = otherOperand(add, y);
          isRowOf(other, y, matmul.getLhs()))
        take(add, bias, other);
    if (onnx::AddOp add = nextAdd(y))
      if (Value other = otherOperand(add, y);
          other.getType() == y.getType() && !isReadByRowOp(add.getY()))
        take(add, residual, other);
    if (folded.size() == 1)
      return;
    OpBuilder builder(folded.back());
    auto linear = builder.create<train::LinearOp>(
        matmul.getLoc(), y.getType(), matmul.getLhs(), matmul.getRhs(), bias,
        residual, matmul.getTransA(), matmul.getTransB(), matmul.getScope());
    if (matmul->hasAttr(train::kRecomputed))
      linear->setAttr(train::kRecomputed, builder.getUnitAttr());
    y.replaceAllUsesWith(linear.getY());
    for (Operation *op : llvm::reverse(folded))
      op->erase();
    ++numFolded;
  }

  static Value otherOperand(onnx::AddOp add, Value y) {
    return add.getLhs() == y ? add.getRhs() : add.getLhs();
  }

  /// Whether a normalisation reads `sum`: its kernel adds for nothing.
  static bool isReadByRowOp(Value sum) {
    return llvm::any_of(sum.getUsers(),
                        [](Operation *user) { return isFusibleRowOp(*user); });
  }

  /// The addition that is all that reads `y`, has its type, and has nothing
  /// with side effects between.
  static onnx::AddOp nextAdd(Value y) {
    if (!y.hasOneUse())
      return nullptr;
    auto add = dyn_cast<onnx::AddOp>(*y.user_begin());
    if (!add || add.getY().getType() != y.getType())
      return nullptr;
    for (Operation *op = y.getDefiningOp(); op != add; op = op->getNextNode())
      if (!isMemoryEffectFree(op))
        return nullptr;
    return add;
  }
};
} // namespace
