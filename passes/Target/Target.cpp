//===- Target.cpp - What a program is planned and compiled for ------------===//
#include "passes/Target/Target.h"
#include "dialects/FsdpRt/FsdpRt.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fsdp;

Target::~Target() = default;

FailureOr<std::unique_ptr<Target>> fsdp::getTarget(ModuleOp module) {
  auto cuda = module->getAttrOfType<rt::CudaAttr>(rt::kTarget);
  if (!cuda)
    return createCpuTarget();
  if (!llvm::is_contained(getGpuArchs(), cuda.getArch()))
    return module.emitError("is planned for GPUs of architecture '")
           << cuda.getArch() << "', expected one of "
           << llvm::join(getGpuArchs(), ", ");
  return createCudaTarget(cuda.getArch(), cuda.getTf32());
}
