//===- ParallelLoops.cpp - Loops whose iterations are independent ---------===//
#include "passes/Kernel/ParallelLoops.h"

#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Instructions.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace llvm;

namespace {
/// Loads and stores of buffers in `loop`, or nothing when its iterations may
/// depend on each other.
std::optional<SmallVector<Instruction *>>
independentAccesses(Loop *loop, ScalarEvolution &evolution) {
  SmallVector<Instruction *> accesses;
  for (BasicBlock *block : loop->blocks())
    for (Instruction &instruction : *block) {
      if (!instruction.mayReadOrWriteMemory())
        continue;
      const Value *pointer = getLoadStorePointerOperand(&instruction);
      if (!pointer)
        return std::nullopt;
      if (isa<AllocaInst>(getUnderlyingObject(pointer)))
        continue;
      if (isa<StoreInst>(instruction)) {
        auto *address = dyn_cast<SCEVAddRecExpr>(
            evolution.getSCEV(const_cast<Value *>(pointer)));
        if (!address || address->getLoop() != loop)
          return std::nullopt;
      }
      accesses.push_back(&instruction);
    }
  return accesses;
}

void mark(Loop *loop, ArrayRef<Instruction *> accesses) {
  LLVMContext &context = loop->getHeader()->getContext();
  MDNode *group = MDNode::getDistinct(context, {});
  for (Instruction *access : accesses)
    access->setMetadata(LLVMContext::MD_access_group, group);
  MDNode *parallel = MDNode::get(
      context, {MDString::get(context, "llvm.loop.parallel_accesses"), group});
  MDNode *id = MDNode::getDistinct(context, {nullptr, parallel});
  id->replaceOperandWith(0, id);
  loop->setLoopID(id);
}

/// Whether `loop` holds a sum that may be taken in any order.
bool holdsSum(const Loop *loop) {
  for (const BasicBlock *block : loop->blocks())
    for (const Instruction &instruction : *block)
      if (isa<FPMathOperator>(instruction) && instruction.hasAllowReassoc())
        return true;
  return false;
}

/// Leaves one copy of the body of `loop`: in another, for what is left over of
/// an unrolled or vectorised loop, a sum could have another order, and a row
/// other bits where a thread's range begins elsewhere.
void keepOneCopy(Loop *loop) {
  addStringMetadataToLoop(loop, "llvm.loop.vectorize.enable", 0);
  loop->setLoopAlreadyUnrolled();
}
} // namespace

void fsdp::markParallelLoops(Function &function) {
  DominatorTree tree(function);
  LoopInfo loops(tree);
  AssumptionCache assumptions(function);
  TargetLibraryInfoImpl libraryImpl((Triple()));
  TargetLibraryInfo library(libraryImpl);
  ScalarEvolution evolution(function, library, assumptions, tree, loops);
  for (Loop *loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost()) {
      if (holdsSum(loop))
        keepOneCopy(loop);
    } else if (auto accesses = independentAccesses(loop, evolution)) {
      mark(loop, *accesses);
    }
  }
}
