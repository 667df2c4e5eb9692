//===- Plan.cpp - Planned programs as text --------------------------------===//
#include "tools/Plan.h"

#include "dialects/Fsdp/Fsdp.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "dialects/Train/Train.h"
#include "passes/Verify/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace fsdp;

void fsdp::registerPlan(DialectRegistry &registry) {
  // A function makes no plan: it is read so that the verifiers can say so.
  registry
      .insert<func::FuncDialect, onnx::OnnxDialect, train::TrainDialect,
              sharding::FsdpDialect, rt::FsdpRtDialect, LLVM::LLVMDialect>();
}

LogicalResult fsdp::verifyPlan(ModuleOp module) {
  PassManager manager(module.getContext());
  manager.addPass(createFsdpRtVerify());
  manager.addPass(createProgramVerify());
  return manager.run(module);
}
