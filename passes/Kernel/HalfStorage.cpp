//===- HalfStorage.cpp - bfloat16 in memory as integers -------------------===//
//
// Arithmetic on bfloat16 is expanded to integers and f32 before. What is left
// of it, loads and stores and casts of bits, would still be vectorised as
// bfloat16, which LLVM handles by calls where the target lacks it.
//
//   %0 = llvm.load %p : !llvm.ptr -> bf16
//   %1 = llvm.bitcast %0 : bf16 to i16
// becomes
//   %1 = llvm.load %p : !llvm.ptr -> i16
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Lowering.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace fsdp;

static bool isHalf(Type type) { return type.isBF16(); }

/// Whether `op` only carries what it reads or makes, whatever its type.
static bool onlyCarries(Operation *op) {
  return isa<LLVM::LoadOp, LLVM::StoreOp, LLVM::BitcastOp, LLVM::SelectOp,
             LLVM::ConstantOp, LLVM::UndefOp, LLVM::PoisonOp, LLVM::BrOp,
             LLVM::CondBrOp>(op);
}

static void retype(Operation *op, Type with) {
  for (OpResult result : op->getResults())
    if (isHalf(result.getType()))
      result.setType(with);
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (BlockArgument argument : block.getArguments())
        if (isHalf(argument.getType()))
          argument.setType(with);
  if (auto constant = dyn_cast<LLVM::ConstantOp>(op))
    if (auto value = dyn_cast<FloatAttr>(constant.getValue());
        value && isHalf(value.getType()))
      constant.setValueAttr(
          IntegerAttr::get(with, value.getValue().bitcastToAPInt()));
  // The element of an address or of a stack slot.
  if (auto element = op->getAttrOfType<TypeAttr>("elem_type");
      element && isHalf(element.getValue()))
    op->setAttr("elem_type", TypeAttr::get(with));
}

void fsdp::storeHalvesAsIntegers(ModuleOp module) {
  bool computes = module
                      .walk([](Operation *op) {
                        bool has =
                            llvm::any_of(op->getOperandTypes(), isHalf) ||
                            llvm::any_of(op->getResultTypes(), isHalf);
                        return has && !onlyCarries(op) ? WalkResult::interrupt()
                                                       : WalkResult::advance();
                      })
                      .wasInterrupted();
  if (computes)
    return;
  Type integer = IntegerType::get(module.getContext(), 16);
  module.walk([&](Operation *op) { retype(op, integer); });
  module.walk([](LLVM::BitcastOp cast) {
    if (cast.getType() != cast.getArg().getType())
      return;
    cast.replaceAllUsesWith(cast.getArg());
    cast.erase();
  });
}
