//===- GpuEmulator.cpp - Kernels for GPUs, run on the CPU -----------------===//
#include "test/passes/Kernel/GpuEmulator.h"
#include "passes/Kernel/Simulated.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

std::string test::emulate(const fsdprt_simulated_kernel &kernel, int64_t blocks,
                          simcuda::Order order, void *const *args) {
  simcuda::Grid grid;
  grid.blocks = blocks;
  grid.threads = kernel.threads;
  grid.order = order;
  return simcuda::runGrid(grid, kernel.call, args);
}

LogicalResult test::compileForEmulator(ModuleOp kernel, StringRef symbol,
                                       const GpuKernelInfo &info,
                                       SmallVectorImpl<char> &object) {
  llvm::LLVMContext context;
  auto module = translateForSimulator(kernel, symbol, context);
  FailureOr<KernelTarget> target = getSimulatorTarget();
  if (failed(module) || failed(target))
    return failure();
  unsigned numArgs = (*module)->getFunction(symbol)->arg_size();
  addSimulatorTable(**module, {{symbol.str(), numArgs, info.threads}});
  return compileToObject(**module, *target, object);
}

const fsdprt_simulated_kernel *
test::findEmulatedKernel(const Library &library) {
  auto *hooks = static_cast<fsdprt_simulated_hooks *>(
      library.find("fsdp_simulated_hooks"));
  auto *kernels = static_cast<const fsdprt_simulated_kernel *>(
      library.find("fsdp_simulated_kernels"));
  if (!hooks || !kernels || !kernels->name)
    return nullptr;
  simcuda::fillThreadHooks(*hooks);
  // Who touches what is not looked at here.
  hooks->load = [](const void *, uint64_t) {};
  hooks->store = [](void *, uint64_t) {};
  return kernels;
}
