//===- FormGroups.cpp - Every computation into a kernel -------------------===//
//
//   %a = onnx.mul %x, %y
//   %b = onnx.add %a, %z
// becomes
//   %b = train.kernel "mul_add" (%x, %y, %z) {
//     %a = onnx.mul ...   %b = onnx.add ...   train.yield %b }
//
// A reduction takes in the chain that makes its operand, and nothing else
// reads. A normalisation takes in the chain that makes its operand, which
// becomes one more result, and its gradient the chain that follows:
//   %y, %mean, %rstd, %s = train.kernel "add_layer_normalization" (%x, %r, ...)
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Passes.h"
#include "passes/Kernel/Space.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace fsdp {
#define GEN_PASS_DEF_KERNELFORMGROUPS
#include "passes/Kernel/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

bool fsdp::isElementwise(Operation *op) {
  return isa<onnx::ElementwiseOpInterface, onnx::ExpandOp>(op);
}

bool fsdp::isInPrologue(Operation *op, Operation *root) {
  return llvm::any_of(op->getUsers(), [&](Operation *user) {
    return user == root || (user->getNumResults() && isElementwise(user) &&
                            isInPrologue(user, root));
  });
}

namespace {
/// Chains longer than this gain nothing and cost registers.
constexpr size_t kMaxOps = 24;
constexpr size_t kMaxInputs = 12;

/// Elements of a row whose chain a reduction computes: the order in which
/// narrower rows are added could be another than without the chain, wider ones
/// would need a larger tile.
constexpr int64_t kMinFoldedRow = 256, kMaxFoldedRow = 2048;

/// Whether `op` takes an instruction or two. A sum over rows computes its chain
/// between f64 sums, in half as many lanes, and has fewer iterations for
/// threads to share than the chain alone: that pays for little else.
bool isCheap(Operation *op) {
  return isa<onnx::AddOp, onnx::SubOp, onnx::MulOp, onnx::NegOp, onnx::AbsOp,
             onnx::MaxOp, onnx::MinOp, onnx::ReluOp, onnx::CastOp,
             onnx::WhereOp, onnx::ExpandOp>(op);
}

bool isLibraryCall(Operation *op, bool libraryBf16, bool libraryF16) {
  if (isa<train::LinearOp>(op))
    return true;
  auto matmul = dyn_cast<onnx::MatMulOp>(op);
  if (!matmul)
    return false;
  Type element =
      cast<RankedTensorType>(matmul.getLhs().getType()).getElementType();
  return element.isF32() || (element.isBF16() && libraryBf16) ||
         (element.isF16() && libraryF16);
}

bool belongsInKernel(Operation *op, bool libraryBf16, bool libraryF16) {
  return isa_and_nonnull<onnx::OnnxDialect, train::TrainDialect>(
             op->getDialect()) &&
         isMemoryEffectFree(op) &&
         !isa<onnx::ReshapeOp, onnx::ConstantOp, train::KernelOp,
              train::YieldOp>(op) &&
         !isLibraryCall(op, libraryBf16, libraryF16);
}

/// Whether the kernel of `op` holds the constant `value` in itself, rather than
/// reading it from a buffer: where all elements are one number.
bool isHeldInside(Value value, Operation *op) {
  auto constant = value.getDefiningOp<onnx::ConstantOp>();
  auto elements =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  if (!elements || !elements.isSplat())
    return false;
  if (auto scatter = dyn_cast<onnx::ScatterOp>(op))
    return value != scatter.getIndices();
  return isElementwise(op) || isa<onnx::ConcatOp>(op);
}

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Ops of one kernel in block order; the last is where it is placed.
struct Group {
  SmallVector<Operation *> ops;

  Operation *rowOp() const {
    for (Operation *op : ops)
      if (isFusibleRowOp(*op))
        return op;
    return nullptr;
  }

  /// What a row op of the group reads that the group computes: a result of the
  /// kernel too, since it is kept in that buffer.
  Value prologueResult() const {
    Operation *norm = rowOp();
    return isNorm(norm) &&
                   llvm::is_contained(ops, norm->getOperand(0).getDefiningOp())
               ? norm->getOperand(0)
               : Value();
  }

  /// Sums that a norm's gradient makes beside dx: results of the kernel too.
  ValueRange parts() const {
    Operation *grad = rowOp();
    return isNormGrad(grad) ? grad->getResults().drop_front()
                            : ResultRange(nullptr, 0);
  }

  /// Where the kernel stands. Sums of a gradient's parts may come before the
  /// chain that follows it, so it stays where it is.
  Operation *place() const { return parts().empty() ? ops.back() : rowOp(); }

  llvm::SetVector<Value> inputs() const {
    llvm::SetVector<Value> values;
    for (Operation *op : ops)
      for (Value operand : op->getOperands())
        if (!isHeldInside(operand, op) &&
            !llvm::is_contained(ops, operand.getDefiningOp()))
          values.insert(operand);
    return values;
  }
};

/// Whether `op` can be computed a row at a time: operands are rows as the
/// result, one row for all, or held inside.
bool isRowWise(Operation *op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (type.getRank() == 0)
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) {
    auto other = cast<RankedTensorType>(operand.getType());
    bool isOneRow = other.getRank() > 0 &&
                    other.getNumElements() == type.getShape().back() &&
                    other.getShape().back() == type.getShape().back();
    return isHeldInside(operand, op) || isOneRow ||
           other.getShape() == type.getShape();
  });
}

struct FormGroups : public fsdp::impl::KernelFormGroupsBase<FormGroups> {
  using KernelFormGroupsBase::KernelFormGroupsBase;

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Block &block : func.getBody())
        formGroups(block);
  }

  void formGroups(Block &block) {
    DenseMap<Operation *, int64_t> barriers; // side effects before an op
    int64_t count = 0;
    for (Operation &op : block) {
      barriers[&op] = count;
      count += isMemoryEffectFree(&op) ? 0 : 1;
    }
    std::vector<Group> groups;
    DenseMap<Operation *, size_t> groupOf;
    // Consumers first: a producer then finds the group that holds its users.
    for (Operation &op : llvm::reverse(block)) {
      if (!belongsInKernel(&op, libraryBf16, libraryF16))
        continue;
      auto target = consumerGroup(&op, barriers, groupOf, groups);
      if (target) {
        groups[*target].ops.insert(groups[*target].ops.begin(), &op);
        groupOf[&op] = *target;
        ++numFused;
        continue;
      }
      groupOf[&op] = groups.size();
      groups.push_back({{&op}});
    }
    for (Group &group : llvm::reverse(groups))
      buildKernel(group);
    for (auto constant :
         llvm::make_early_inc_range(block.getOps<onnx::ConstantOp>()))
      if (constant->use_empty())
        constant.erase();
  }

  /// The normalisation whose kernel may compute the elementwise `op` as well:
  /// the first user of its result.
  static Operation *normalizationOf(Operation *op) {
    if (!isElementwise(op) || !isRowWise(op))
      return nullptr;
    Operation *first = *op->user_begin();
    for (Operation *user : op->getUsers())
      if (user->isBeforeInBlock(first))
        first = user;
    bool isRows = isNorm(first) && first->getOperand(0) == op->getResult(0) &&
                  !llvm::is_contained(first->getOperands().drop_front(),
                                      op->getResult(0));
    return isRows ? first : nullptr;
  }

  /// Whether a kernel that stands before `norm` reads `op`.
  static bool isReadBefore(Operation *norm, Operation *op,
                           const DenseMap<Operation *, size_t> &groupOf,
                           ArrayRef<Group> groups) {
    return llvm::any_of(op->getUsers(), [&](Operation *user) {
      auto own = groupOf.find(user);
      return own != groupOf.end() &&
             groups[own->second].place()->isBeforeInBlock(norm);
    });
  }

  /// Whether `user` reads each element of `op` once, in a loop over its shape.
  static bool takesInElements(Operation *user, Operation *op) {
    if (isReduction(user))
      return isElementwise(op);
    return isElementwise(user) &&
           shapeOf(user->getResult(0)) == shapeOf(op->getResult(0));
  }

  /// The group that `op` may join: the one that holds all its users.
  static std::optional<size_t>
  consumerGroup(Operation *op, const DenseMap<Operation *, int64_t> &barriers,
                const DenseMap<Operation *, size_t> &groupOf,
                std::vector<Group> &groups) {
    if (op->use_empty())
      return std::nullopt;
    if (Operation *norm = normalizationOf(op))
      if (auto found = groupOf.find(norm);
          found != groupOf.end() && groups[found->second].ops.size() == 1 &&
          barriers.lookup(op) == barriers.lookup(norm) &&
          !isReadBefore(norm, op, groupOf, groups))
        return found->second;
    bool isRowGrad = isNormGrad(op);
    if ((!isElementwise(op) && !isRowGrad) || op->getResult(0).use_empty())
      return std::nullopt;
    auto it = groupOf.find(*op->getResult(0).user_begin());
    for (Operation *user : op->getResult(0).getUsers()) {
      auto own = groupOf.find(user);
      if (own == groupOf.end() || own->second != it->second ||
          !takesInElements(user, op))
        return std::nullopt;
    }
    Group &group = groups[it->second];
    if (barriers.lookup(op) != barriers.lookup(group.ops.back()))
      return std::nullopt;
    if (isRowGrad || group.rowOp()) {
      bool isAlone = !isRowGrad || !group.rowOp();
      auto fits = [&](Operation *member) {
        return isFusibleRowOp(*member) ||
               (isRowWise(member) &&
                member->getResult(0).getType() == op->getResult(0).getType());
      };
      if (!isAlone || !fits(op) || !llvm::all_of(group.ops, fits))
        return std::nullopt;
    }
    Group joined = group;
    joined.ops.insert(joined.ops.begin(), op);
    if (!joined.parts().empty() && !isComputedBefore(joined))
      return std::nullopt;
    if (isReduction(joined.ops.back()) && !foldsAlike(joined))
      return std::nullopt;
    auto computes = [](Operation *o) { return !isWideningCast(o); };
    if (size_t(llvm::count_if(joined.ops, computes)) > kMaxOps ||
        joined.inputs().size() > kMaxInputs)
      return std::nullopt;
    return it->second;
  }

  /// Whether the group's reduction gives the bits that it gives without its
  /// chain, and in less time: elements are added in the order of the merged
  /// extents, which one operand must have and none may cut.
  static bool foldsAlike(const Group &group) {
    Operation *reduction = group.ops.back();
    ArrayRef<int64_t> shape = shapeOf(reduction->getOperand(0));
    SmallVector<bool> reduced(shape.size());
    for (int64_t axis :
         reduction->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef())
      reduced[axis] = true;
    llvm::SetVector<Value> inputs = group.inputs();
    Space own(shape, reduction->getOperand(0), reduced);
    Space joined(shape, inputs.getArrayRef(), reduced);
    bool readsWhole = llvm::any_of(
        inputs, [&](Value value) { return shapeOf(value) == shape; });
    if (own.extents.empty() || own.extents != joined.extents || !readsWhole)
      return false;
    if (!own.marked.back())
      return llvm::all_of(ArrayRef(group.ops).drop_back(), isCheap);
    int64_t last = own.extents.back();
    return last >= kMinFoldedRow && last <= kMaxFoldedRow;
  }

  /// Whether the kernel's operands are there where it stands.
  static bool isComputedBefore(const Group &group) {
    return llvm::all_of(group.inputs(), [&](Value value) {
      Operation *def = value.getDefiningOp();
      return !def || def->isBeforeInBlock(group.place());
    });
  }

  void buildKernel(Group &group) {
    // Producers were found in reverse block order, so ops are in block order
    // but for users that were met later: restore it.
    llvm::sort(group.ops, [](Operation *a, Operation *b) {
      return a->isBeforeInBlock(b);
    });
    Operation *last = group.ops.back();
    OpBuilder builder(group.place());
    llvm::SetVector<Value> inputs = group.inputs();
    std::string name = last->hasAttr(train::kRecomputed) ? "recompute" : "";
    for (Operation *op : ArrayRef(group.ops).take_back(4))
      name += (name.empty() ? "" : "_") + op->getName().stripDialect().str();
    SmallVector<Value> outputs(last->getResults());
    if (last != group.place())
      llvm::append_range(outputs, group.parts());
    if (Value prologue = group.prologueResult())
      outputs.push_back(prologue);
    auto kernel = builder.create<train::KernelOp>(
        last->getLoc(), TypeRange(ValueRange(outputs)), name,
        inputs.getArrayRef(), onnx::getScope(last));
    Block *body = &kernel.getBody().emplaceBlock();
    IRMapping mapping;
    for (Value input : inputs)
      mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
    builder.setInsertionPointToStart(body);
    for (Operation *op : group.ops) {
      for (Value operand : op->getOperands())
        if (isHeldInside(operand, op) && !mapping.contains(operand))
          builder.clone(*operand.getDefiningOp(), mapping);
      // An equal kernel, whatever it is computed for.
      builder.clone(*op, mapping)->removeAttr(train::kRecomputed);
    }
    SmallVector<Value> results;
    for (Value result : outputs)
      results.push_back(mapping.lookup(result));
    builder.create<train::YieldOp>(last->getLoc(), results);
    for (auto [own, result] : llvm::zip_equal(outputs, kernel.getResults()))
      own.replaceAllUsesWith(result);
    for (Operation *op : llvm::reverse(group.ops))
      op->erase();
    ++numKernels;
  }
};
} // namespace
