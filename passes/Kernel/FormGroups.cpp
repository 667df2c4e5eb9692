//===- FormGroups.cpp - Every computation into a kernel -------------------===//
//
//   %a = onnx.mul %x, %y
//   %b = onnx.add %a, %z
// becomes
//   %b = train.kernel "mul_add" (%x, %y, %z) {
//     %a = onnx.mul ...   %b = onnx.add ...   train.yield %b }
//
// A normalisation takes in the chain that makes its operand, which becomes one
// more result, and its gradient the chain that follows:
//   %y, %mean, %rstd, %s = train.kernel "add_layer_normalization" (%x, %r, ...)
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Passes.h"

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

bool isLibraryCall(Operation *op) {
  auto matmul = dyn_cast<onnx::MatMulOp>(op);
  if (!matmul)
    return false;
  Type element =
      cast<RankedTensorType>(matmul.getLhs().getType()).getElementType();
  return element.isF32() || element.isBF16();
}

bool belongsInKernel(Operation *op) {
  return isa_and_nonnull<onnx::OnnxDialect, train::TrainDialect>(
             op->getDialect()) &&
         isMemoryEffectFree(op) &&
         !isa<onnx::ReshapeOp, onnx::ConstantOp, train::KernelOp,
              train::YieldOp>(op) &&
         !isLibraryCall(op);
}

/// Whether the kernel of `op` holds the constant `value` in itself, rather than
/// reading it from a buffer: where all elements are one number.
bool isHeldInside(Value value, Operation *op) {
  auto constant = value.getDefiningOp<onnx::ConstantOp>();
  auto elements =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  return elements && elements.isSplat() &&
         (isElementwise(op) || isa<onnx::ConcatOp>(op));
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
    auto norm = dyn_cast_or_null<onnx::LayerNormalizationOp>(rowOp());
    return norm && llvm::is_contained(ops, norm.getX().getDefiningOp())
               ? norm.getX()
               : Value();
  }

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
      if (!belongsInKernel(&op))
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
    auto norm = dyn_cast<onnx::LayerNormalizationOp>(first);
    Value value = op->getResult(0);
    return norm && norm.getX() == value && norm.getScale() != value &&
                   norm.getBias() != value
               ? norm
               : nullptr;
  }

  /// The group that `op` may join: the one that holds all its users.
  static std::optional<size_t>
  consumerGroup(Operation *op, const DenseMap<Operation *, int64_t> &barriers,
                const DenseMap<Operation *, size_t> &groupOf,
                std::vector<Group> &groups) {
    if (op->use_empty())
      return std::nullopt;
    if (auto norm = normalizationOf(op))
      if (auto found = groupOf.find(norm);
          found != groupOf.end() && groups[found->second].ops.size() == 1 &&
          barriers.lookup(op) == barriers.lookup(norm))
        return found->second;
    bool isRowGrad = isa<train::LayerNormGradOp>(op);
    if (!isElementwise(op) && !isRowGrad)
      return std::nullopt;
    auto it = groupOf.find(*op->user_begin());
    for (Operation *user : op->getUsers()) {
      auto own = groupOf.find(user);
      if (own == groupOf.end() || own->second != it->second ||
          !isElementwise(user) ||
          shapeOf(user->getResult(0)) != shapeOf(op->getResult(0)))
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
    auto computes = [](Operation *o) { return !isWideningCast(o); };
    if (size_t(llvm::count_if(joined.ops, computes)) > kMaxOps ||
        joined.inputs().size() > kMaxInputs)
      return std::nullopt;
    return it->second;
  }

  void buildKernel(Group &group) {
    // Producers were found in reverse block order, so ops are in block order
    // but for users that were met later: restore it.
    llvm::sort(group.ops, [](Operation *a, Operation *b) {
      return a->isBeforeInBlock(b);
    });
    Operation *last = group.ops.back();
    OpBuilder builder(last);
    llvm::SetVector<Value> inputs = group.inputs();
    std::string name = last->hasAttr(train::kRecomputed) ? "recompute" : "";
    for (Operation *op : ArrayRef(group.ops).take_back(4))
      name += (name.empty() ? "" : "_") + op->getName().stripDialect().str();
    SmallVector<Value> outputs(last->getResults());
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
