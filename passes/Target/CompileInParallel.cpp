//===- CompileInParallel.cpp - Several kernels at once --------------------===//
#include "passes/Target/CompileInParallel.h"
#include "passes/Kernel/Lowering.h"

#include "mlir/IR/Threading.h"

#include <mutex>

using namespace mlir;
using namespace fsdp;

LogicalResult
fsdp::compileInParallel(ArrayRef<ProgramKernel> kernels,
                        const CodeOptions &options,
                        llvm::function_ref<LogicalResult(size_t)> compile) {
  if (kernels.empty())
    return success();
  MLIRContext *context = kernels.front().op->getContext();
  if (failed(loadKernelDialects(context)))
    return failure();
  std::mutex mutex;
  size_t done = 0;
  return failableParallelForEachN(context, 0, kernels.size(),
                                  [&](size_t i) -> LogicalResult {
                                    if (failed(compile(i)))
                                      return failure();
                                    std::lock_guard<std::mutex> lock(mutex);
                                    if (options.onKernel)
                                      options.onKernel(++done, kernels.size());
                                    return success();
                                  });
}
