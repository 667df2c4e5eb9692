//===- InsertBarriers.cpp - Order between the threads of a block ----------===//
//
// Before threads share the loops, a kernel's body is a straight program over
// buffers. It is followed with the accesses that no barrier ended yet; where an
// op's accesses conflict with them, a barrier goes before the op. No barrier is
// needed between two loops in which the same thread has the same element.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Gpu.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Which thread touches which element; two accesses with an equal owner that is
/// set are of the same thread wherever they are of the same element.
struct Owner {
  enum Kind { Unknown, View, Row, FirstThread } kind = Unknown;
  Value view;        ///< View: shared from its first element on
  int64_t width = 0; ///< Row: a whole row of a matrix that is its buffer
  Type element;
  int64_t atOnce = 1; ///< neighbours of one thread

  bool sameThread(const Owner &other) const {
    return kind != Unknown && kind == other.kind && view == other.view &&
           width == other.width && element == other.element &&
           atOnce == other.atOnce;
  }
};

struct Access {
  Value root; ///< an argument or an allocation
  bool write;
  Owner owner;
};

Value rootOf(Value memref) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>())
    memref = view.getViewSource();
  return memref;
}

/// Scalars on the stack are each thread's own.
bool isPrivate(Value root) {
  return root.getDefiningOp<memref::AllocaOp>() &&
         cast<MemRefType>(root.getType()).getRank() == 0;
}

/// Whether `memref` is an argument, or one under another shape.
bool isWholeBuffer(Value memref) {
  if (isa<BlockArgument>(memref))
    return true;
  auto cast = memref.getDefiningOp<memref::ReinterpretCastOp>();
  return cast && isa<BlockArgument>(cast.getSource()) &&
         cast.getStaticOffsets() == ArrayRef<int64_t>{0};
}

/// Of a one-dimensional memref whose group i of `atOnce` elements is thread i
/// mod threads's.
Owner ownerOf(Value memref, int64_t atOnce) {
  auto row = memref.getDefiningOp<memref::SubViewOp>();
  auto type = cast<MemRefType>(memref.getType());
  if (row && row.getSourceType().getRank() == 2 && type.getRank() == 1 &&
      row.getSourceType().getDimSize(1) == type.getDimSize(0) &&
      row.getSourceType().getLayout().isIdentity() &&
      isWholeBuffer(row.getSource()))
    return {Owner::Row, {}, type.getDimSize(0), type.getElementType(), atOnce};
  return {Owner::View, memref, 0, {}, atOnce};
}

class Barriers {
public:
  Barriers(int threads, MayAlias mayAlias)
      : threads(threads), mayAlias(mayAlias) {}

  void visit(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block))
      visit(&op);
  }

private:
  void visit(Operation *op) {
    if (isa<NVVM::Barrier0Op>(op))
      return pending.clear();
    if (auto load = dyn_cast<memref::LoadOp>(op))
      return before(op, {{rootOf(load.getMemref()), false, {}}});
    if (auto store = dyn_cast<memref::StoreOp>(op))
      return before(
          op,
          {{rootOf(store.getMemref()), true, {Owner::FirstThread, {}, 0, {}}}});
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      return visitGeneric(generic);
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return loop->hasAttr(kParallelLoop) ? visitParallel(loop)
                                          : visitLoop(loop);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        visitBranch(block);
  }

  void visitGeneric(linalg::GenericOp op) {
    before(op, accessesOf(op, /*shared=*/true));
    // Whose warps meet at barriers of their own.
    if (op.getNumReductionLoops() && threads > kWarp)
      pending.clear();
  }

  static SmallVector<Access> accessesOf(linalg::GenericOp op, bool shared) {
    SmallVector<Access> accesses;
    int64_t atOnce = elementsAtOnce(op);
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<MemRefType>(operand.get().getType()))
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      bool inOrder = shared && map.isIdentity() && map.getNumDims() == 1;
      Owner owner = inOrder ? ownerOf(operand.get(), atOnce) : Owner();
      bool isOut = op.isDpsInit(&operand);
      accesses.push_back({rootOf(operand.get()), isOut, owner});
    }
    return accesses;
  }

  /// Any thread may touch anything that the loop touches.
  void visitParallel(scf::ForOp loop) {
    SmallVector<Access> accesses;
    loop.walk([&](Operation *op) {
      if (auto load = dyn_cast<memref::LoadOp>(op))
        accesses.push_back({rootOf(load.getMemref()), false, {}});
      if (auto store = dyn_cast<memref::StoreOp>(op))
        accesses.push_back({rootOf(store.getMemref()), true, {}});
      if (auto generic = dyn_cast<linalg::GenericOp>(op))
        llvm::append_range(accesses, accessesOf(generic, /*shared=*/false));
    });
    before(loop, accesses);
  }

  /// Twice: an iteration follows another one, whose views were other ones.
  void visitLoop(scf::ForOp loop) {
    SmallVector<Access> skipped = pending;
    for (int turn = 0; turn < 2; ++turn) {
      visit(*loop.getBody());
      for (Access &access : pending)
        if (access.owner.view &&
            !loop.isDefinedOutsideOfLoop(access.owner.view))
          access.owner = {};
    }
    llvm::append_range(pending, skipped);
  }

  void visitBranch(Block &block) {
    SmallVector<Access> skipped = pending;
    visit(block);
    llvm::append_range(pending, skipped);
  }

  void before(Operation *op, ArrayRef<Access> accesses) {
    bool conflict = llvm::any_of(accesses, [&](const Access &access) {
      return llvm::any_of(pending, [&](const Access &other) {
        return conflicts(access, other);
      });
    });
    if (conflict) {
      OpBuilder(op).create<NVVM::Barrier0Op>(op->getLoc());
      pending.clear();
    }
    for (const Access &access : accesses)
      if (!isPrivate(access.root))
        pending.push_back(access);
  }

  bool conflicts(const Access &a, const Access &b) const {
    if ((!a.write && !b.write) || a.owner.sameThread(b.owner))
      return false;
    return a.root == b.root || mayAlias(a.root, b.root);
  }

  int threads;
  MayAlias mayAlias;
  SmallVector<Access> pending;
};
} // namespace

void fsdp::insertBarriers(func::FuncOp body, int threads, MayAlias mayAlias) {
  Barriers(threads, mayAlias).visit(body.getBody().front());
}
