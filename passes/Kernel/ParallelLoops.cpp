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
} // namespace

void fsdp::markParallelLoops(Function &function) {
  DominatorTree tree(function);
  LoopInfo loops(tree);
  AssumptionCache assumptions(function);
  TargetLibraryInfoImpl libraryImpl((Triple()));
  TargetLibraryInfo library(libraryImpl);
  ScalarEvolution evolution(function, library, assumptions, tree, loops);
  for (Loop *loop : loops.getLoopsInPreorder())
    if (loop->isInnermost())
      if (auto accesses = independentAccesses(loop, evolution))
        mark(loop, *accesses);
}
