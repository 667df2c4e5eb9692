//===- SplitReductions.cpp - Enough iterations for large reductions -------===//
//
//   %y = train.kernel "mul_reduce_sum" (%x, %w) {
//     %a = onnx.mul ...   %s = onnx.reduce_sum %a [0, 1] ... }
// becomes
//   %p = train.kernel "mul_reduce_sum_parts" (%x, %w) {
//     %a = onnx.mul ...   %s = train.reduce_parts %a [0, 1] size 64 ... }
//   %y = train.kernel "sum_of_parts" (%p) {
//     %s = train.reduce_parts %p [0] size 128 ... }
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

namespace fsdp {
#define GEN_PASS_DEF_KERNELSPLITREDUCTIONS
#include "passes/Kernel/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// Iterations that keep a GPU busy, and how many are made of fewer.
constexpr int64_t kEnough = 256, kWanted = 512;
/// Parts below which a second kernel costs more than it gains.
constexpr int64_t kFewestParts = 8;

/// The one op of `kernel` that is neither elementwise nor a constant, and makes
/// its only result; null: there is no such op.
Operation *rootOf(train::KernelOp kernel) {
  Operation *yield = kernel.getBody().front().getTerminator();
  return yield->getNumOperands() == 1 ? yield->getOperand(0).getDefiningOp()
                                      : nullptr;
}

/// A reduction as [outer, reduced, inner] extents.
struct Extents {
  int64_t outer = 1, reduced = 1, inner = 1;

  int64_t iterations() const {
    return inner == 1 ? outer : outer * llvm::divideCeil(inner, kColumnBlock);
  }

  /// Elements, or rows, of a part; 0: it stays whole.
  int64_t partSize(int64_t least) const {
    if (iterations() >= kEnough)
      return 0;
    int64_t unit = inner == 1 ? 64 : kRowGroup;
    if (inner > 1)
      least = llvm::divideCeil(least, std::min(inner, kColumnBlock));
    int64_t most = reduced / std::max(least, unit);
    int64_t parts =
        std::min<int64_t>(llvm::divideCeil(kWanted, iterations()), most);
    if (parts < kFewestParts)
      return 0;
    return llvm::alignTo(llvm::divideCeil(reduced, parts), unit);
  }
};

/// None where what is reduced are no neighbours.
std::optional<Extents> extentsOf(Operation *op) {
  auto type = cast<RankedTensorType>(op->getOperand(0).getType());
  ArrayRef<int64_t> axes =
      op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef();
  for (size_t i = 1; i < axes.size(); ++i)
    if (axes[i] != axes[i - 1] + 1)
      return std::nullopt;
  if (axes.empty())
    return std::nullopt;
  Extents extents;
  for (int64_t i = 0; i < type.getRank(); ++i)
    (i < axes.front()  ? extents.outer
     : i > axes.back() ? extents.inner
                       : extents.reduced) *= type.getDimSize(i);
  return extents;
}

/// What parts of elements like `type` are kept in.
Type partType(Type type, bool isMax) {
  return isa<FloatType>(type) && !isMax ? Float64Type::get(type.getContext())
                                        : type;
}

struct SplitReductions
    : public fsdp::impl::KernelSplitReductionsBase<SplitReductions> {
  using KernelSplitReductionsBase::KernelSplitReductionsBase;

  void runOnOperation() override {
    SmallVector<train::KernelOp> kernels;
    getOperation().walk([&](train::KernelOp op) { kernels.push_back(op); });
    for (train::KernelOp kernel : kernels) {
      Operation *root = rootOf(kernel);
      if (auto count = dyn_cast_or_null<train::CountValidOp>(root))
        splitCount(kernel, count);
      else if (isReduction(root) && !isa<train::ReducePartsOp>(root))
        splitReduction(kernel, root);
    }
  }

  void splitReduction(train::KernelOp kernel, Operation *root) {
    std::optional<Extents> extents = extentsOf(root);
    int64_t size = extents ? extents->partSize(least) : 0;
    if (size == 0)
      return;
    bool isMax = isa<onnx::ReduceMaxOp>(root);
    auto x = cast<RankedTensorType>(root->getOperand(0).getType());
    auto y = cast<RankedTensorType>(root->getResult(0).getType());
    int64_t parts = llvm::divideCeil(extents->reduced, size);
    SmallVector<int64_t> shape = {parts};
    llvm::append_range(shape, y.getShape());
    auto type =
        RankedTensorType::get(shape, partType(x.getElementType(), isMax));
    auto axes = root->getAttrOfType<DenseI64ArrayAttr>("axes");
    train::KernelOp first =
        buildParts(kernel, type, [&](OpBuilder &b, Operation *old) {
          return b.create<train::ReducePartsOp>(
              old->getLoc(), type, old->getOperand(0), axes.asArrayRef(), size,
              /*divisor=*/1, isMax, onnx::getScope(kernel));
        });
    int64_t divisor =
        isa<onnx::ReduceMeanOp>(root) ? extents->reduced : int64_t(1);
    joinParts(kernel, first, divisor, isMax);
  }

  /// Parts are counted exactly, and so is their sum in f64.
  void splitCount(train::KernelOp kernel, train::CountValidOp root) {
    auto labels = cast<RankedTensorType>(root.getLabels().getType());
    Extents extents{1, labels.getNumElements(), 1};
    int64_t size = extents.partSize(least);
    if (size == 0)
      return;
    auto type = RankedTensorType::get(
        {int64_t(llvm::divideCeil(extents.reduced, size))},
        getElementTypeOrSelf(root.getCount()));
    train::KernelOp first =
        buildParts(kernel, type, [&](OpBuilder &b, Operation *old) {
          Operation *parts = b.clone(*old);
          parts->getResult(0).setType(type);
          return parts;
        });
    joinParts(kernel, first, /*divisor=*/1, /*isMax=*/false);
  }

  /// `kernel` with what `build` makes, of `type`, in place of its root.
  static train::KernelOp
  buildParts(train::KernelOp kernel, Type type,
             llvm::function_ref<Operation *(OpBuilder &, Operation *)> build) {
    OpBuilder b(kernel);
    auto parts = b.create<train::KernelOp>(
        kernel.getLoc(), type, (kernel.getName() + "_parts").str(),
        kernel.getInputs(), onnx::getScope(kernel));
    IRMapping mapping;
    kernel.getBody().cloneInto(&parts.getBody(), mapping);
    Operation *old = rootOf(parts);
    b.setInsertionPoint(old);
    old->getResult(0).replaceAllUsesWith(build(b, old)->getResult(0));
    old->erase();
    return parts;
  }

  /// Puts the fold of `parts` in place of `kernel`.
  void joinParts(train::KernelOp kernel, train::KernelOp parts, int64_t divisor,
                 bool isMax) {
    OpBuilder b(kernel);
    Value all = parts.getOutputs().front();
    Type type = kernel.getOutputs().front().getType();
    auto sum = b.create<train::KernelOp>(
        kernel.getLoc(), type, isMax ? "max_of_parts" : "sum_of_parts", all,
        onnx::getScope(kernel));
    Block *body = &sum.getBody().emplaceBlock();
    Value own = body->addArgument(all.getType(), kernel.getLoc());
    b.setInsertionPointToStart(body);
    int64_t count = cast<RankedTensorType>(all.getType()).getDimSize(0);
    Value result = b.create<train::ReducePartsOp>(
        kernel.getLoc(), type, own, ArrayRef<int64_t>{0}, count, divisor, isMax,
        onnx::getScope(kernel));
    b.create<train::YieldOp>(kernel.getLoc(), result);
    kernel.getOutputs().front().replaceAllUsesWith(sum.getOutputs().front());
    kernel.erase();
    ++numSplit;
  }
};
} // namespace
