//===- CpuCode.cpp - The CPU's code of a kernel ---------------------------===//
#include "passes/Target/CpuCode.h"

using namespace mlir;
using namespace fsdp;

FailureOr<CompiledKernelInfo>
fsdp::compileForCpu(train::KernelOp kernel, StringRef symbol,
                    const KernelTarget &target, SmallVectorImpl<char> &object) {
  OwningOpRef<ModuleOp> own = ModuleOp::create(kernel.getLoc());
  FailureOr<CompiledKernelInfo> info = emitKernel(kernel, *own, symbol);
  if (failed(info) || failed(compileKernel(*own, target, object)))
    return failure();
  return info;
}
