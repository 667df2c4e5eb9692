//===- Kernels.cpp - The kernels of a planned program ---------------------===//
#include "passes/Lower/Kernels.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Plan/Kernels.h"

using namespace mlir;
using namespace fsdp;

FailureOr<std::vector<ProgramKernel>> fsdp::findKernels(ModuleOp module) {
  std::vector<ProgramKernel> kernels;
  for (auto own : module.getOps<ModuleOp>()) {
    train::KernelOp kernel = kernelIn(own);
    if (!kernel)
      return own.emitError("holds no kernel: run --program-verify");
    kernels.push_back({kernel, own.getSymName()->str(), KernelShape()});
  }
  return kernels;
}

LogicalResult fsdp::checkLaunches(ModuleOp module,
                                  ArrayRef<ProgramKernel> kernels) {
  llvm::StringMap<const KernelShape *> shapes;
  for (const ProgramKernel &kernel : kernels)
    shapes[kernel.symbol] = &kernel.shape;
  WalkResult result = module.walk([&](rt::LaunchOp launch) {
    const KernelShape &shape = *shapes.lookup(launch.getKernel());
    std::optional<int64_t> threads;
    if (shape.grid)
      threads = shape.grid->threads;
    if (int64_t(launch.getExtent()) == shape.extent &&
        int64_t(launch.getScratchBytes()) == shape.scratchBytes &&
        launch.getThreads() == threads)
      return WalkResult::advance();
    auto diagnostic = launch.emitOpError("is not how @")
                      << launch.getKernel()
                      << " is launched: its code has extent " << shape.extent
                      << " and " << shape.scratchBytes << " bytes of scratch";
    if (threads)
      diagnostic << ", and " << *threads << " threads in a block";
    diagnostic << "; plan the model again";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}
