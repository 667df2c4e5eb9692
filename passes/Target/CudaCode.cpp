//===- CudaCode.cpp - GPU kernels of a program to files -------------------===//
//
// Kernels are optimised apart, several at once, and linked as LLVM IR: one
// module of GPU code is one load at run time.
//
//===----------------------------------------------------------------------===//
#include "passes/Target/CudaCode.h"
#include "passes/Kernel/Gpu.h"
#include "passes/Kernel/Simulated.h"
#include "passes/Output/Command.h"
#include "passes/Output/Link.h"
#include "passes/Target/CompileInParallel.h"
#include "passes/Target/Ptxas.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fsdp;

static InFlightDiagnostic emitError(ArrayRef<ProgramKernel> kernels) {
  return kernels.front().op->getParentOfType<ModuleOp>().emitError();
}

/// One module of `parts`, bitcode; null if LLVM fails.
static std::unique_ptr<llvm::Module> linkBitcode(ArrayRef<std::string> parts,
                                                 llvm::LLVMContext &context) {
  std::unique_ptr<llvm::Module> all;
  for (const std::string &part : parts) {
    auto module =
        llvm::parseBitcodeFile(llvm::MemoryBufferRef(part, "kernel"), context);
    if (!module) {
      llvm::consumeError(module.takeError());
      return nullptr;
    }
    if (!all)
      all = std::move(*module);
    else if (llvm::Linker::linkModules(*all, std::move(*module)))
      return nullptr;
  }
  return all;
}

/// kernels.cubin from kernels.ptx; what ptxas says if it fails.
static std::string assemble(const std::string &ptxas, StringRef arch,
                            const std::string &folder) {
  return runCommand(
      {ptxas, ("-arch=" + arch).str(), "-o", "kernels.cubin", "kernels.ptx"},
      folder);
}

FailureOr<std::vector<CodeFile>>
fsdp::compileForGpu(MutableArrayRef<ProgramKernel> kernels,
                    const CodeOptions &options, EmitGpuKernel emit,
                    StringRef chip, StringRef arch) {
  std::vector<std::string> parts(kernels.size());
  auto compileOne = [&](size_t i) -> LogicalResult {
    OwningOpRef<ModuleOp> own = ModuleOp::create(kernels[i].op.getLoc());
    llvm::LLVMContext context;
    if (failed(emit(kernels[i], *own)))
      return failure();
    auto module = translateGpuKernel(*own, chip, context);
    if (failed(module))
      return failure();
    llvm::raw_string_ostream stream(parts[i]);
    llvm::WriteBitcodeToFile(**module, stream);
    return success();
  };
  if (failed(compileInParallel(kernels, options, compileOne)))
    return failure();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> all = linkBitcode(parts, context);
  std::optional<std::string> ptx = all ? printPtx(*all, chip) : std::nullopt;
  if (!ptx)
    return emitError(kernels) << "cannot generate PTX for the kernels";
  if (failed(options.write("kernels.ptx", *ptx)))
    return failure();
  std::vector<CodeFile> files = {{"kernels.ptx", "ptx"}};
  std::string ptxas = options.ptxas.empty() ? findPtxas() : options.ptxas;
  if (ptxas.empty() || ptxas == kNoPtxas)
    return files;
  if (std::string problem = assemble(ptxas, arch, options.folder);
      !problem.empty())
    return emitError(kernels)
           << "'" << ptxas << "' cannot assemble the kernels for " << arch
           << ": " << problem;
  files.insert(files.begin(), {"kernels.cubin", "cubin"});
  return files;
}

FailureOr<std::vector<CodeFile>>
fsdp::compileForSimulator(MutableArrayRef<ProgramKernel> kernels,
                          const CodeOptions &options, EmitGpuKernel emit) {
  FailureOr<KernelTarget> target = getSimulatorTarget();
  if (failed(target))
    return emitError(kernels) << "LLVM does not know this host's CPU";
  std::vector<SmallVector<char, 0>> objects(kernels.size() + 1);
  auto generate = [&](llvm::Module &module, size_t i) -> LogicalResult {
    if (succeeded(compileToObject(module, *target, objects[i])))
      return success();
    return emitError(kernels) << "cannot generate code for the kernels";
  };
  std::vector<SimulatedKernel> table(kernels.size());
  auto compileOne = [&](size_t i) -> LogicalResult {
    ProgramKernel &kernel = kernels[i];
    OwningOpRef<ModuleOp> own = ModuleOp::create(kernel.op.getLoc());
    llvm::LLVMContext context;
    if (failed(emit(kernel, *own)))
      return failure();
    auto module = translateForSimulator(*own, kernel.symbol, context);
    if (failed(module))
      return failure();
    unsigned numArgs = kernel.op.getInputs().size() +
                       kernel.op.getOutputs().size() +
                       (kernel.shape.scratchBytes ? 2 : 1);
    table[i] = {kernel.symbol, numArgs, int(kernel.shape.grid->threads)};
    return generate(**module, i);
  };
  if (failed(compileInParallel(kernels, options, compileOne)))
    return failure();
  llvm::LLVMContext context;
  llvm::Module tables("tables", context);
  addSimulatorTable(tables, table);
  if (failed(generate(tables, kernels.size())))
    return failure();
  std::vector<std::string> names;
  for (auto [i, object] : llvm::enumerate(objects)) {
    names.push_back("g" + std::to_string(i) + ".o");
    if (failed(options.write(names.back(),
                             StringRef(object.data(), object.size()))))
      return failure();
  }
  if (std::string problem = linkShared(options.folder, names, "kernels.so",
                                       /*isWhole=*/true);
      !problem.empty())
    return emitError(kernels) << "linking the kernels failed: " << problem;
  return std::vector<CodeFile>{{"kernels.so", "simulated"}};
}
