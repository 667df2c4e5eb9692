//===- PrintKernels.cpp - Code of a module's kernels, to look at ----------===//
#include "passes/Kernel/Compile.h"
#include "passes/Kernel/Gpu.h"
#include "passes/Kernel/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace fsdp {
#define GEN_PASS_DEF_KERNELTOASSEMBLY
#define GEN_PASS_DEF_KERNELTOPTX
#include "passes/Kernel/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// Calls `generate(kernel, module of its own, symbol)` for one kernel of each
/// kind, in order; returns their number.
template <typename Generate>
FailureOr<unsigned> forKernels(ModuleOp module, Generate generate) {
  llvm::StringSet<> seen;
  WalkResult result = module.walk([&](train::KernelOp kernel) {
    std::string symbol = "k" + std::to_string(seen.size());
    if (!seen.insert(kernelKey(kernel)).second)
      return WalkResult::advance();
    OwningOpRef<ModuleOp> own = ModuleOp::create(kernel.getLoc());
    bool done = succeeded(generate(kernel, *own, symbol));
    return done ? WalkResult::advance() : WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    return failure();
  return seen.size();
}

/// Writes `text` to `folder`/`file`, or to standard output.
LogicalResult write(ModuleOp module, StringRef folder, const Twine &file,
                    StringRef text) {
  if (folder == "-") {
    llvm::outs() << text;
    return success();
  }
  SmallString<128> path(folder);
  llvm::sys::path::append(path, file);
  std::error_code error = llvm::sys::fs::create_directories(folder);
  if (!error) {
    llvm::raw_fd_ostream stream(path, error);
    stream << text;
  }
  if (error)
    return module.emitError("cannot write '")
           << path << "': " << error.message();
  return success();
}

struct ToAssembly : public fsdp::impl::KernelToAssemblyBase<ToAssembly> {
  using KernelToAssemblyBase::KernelToAssemblyBase;

  void runOnOperation() override {
    FailureOr<KernelTarget> target = getKernelTarget(cpu);
    if (failed(target)) {
      getOperation().emitError("unknown target CPU '") << cpu << "'";
      return signalPassFailure();
    }
    FailureOr<unsigned> count =
        forKernels(getOperation(),
                   [&](train::KernelOp kernel, ModuleOp own, StringRef symbol) {
                     return print(kernel, own, symbol, *target);
                   });
    if (failed(count))
      return signalPassFailure();
    numKernels += *count;
  }

  LogicalResult print(train::KernelOp kernel, ModuleOp own, StringRef symbol,
                      const KernelTarget &target) {
    if (failed(emitKernel(kernel, own, symbol)))
      return failure();
    llvm::LLVMContext context;
    auto module = translateKernel(own, context);
    SmallVector<char, 0> code;
    if (failed(module) || failed(compileToAssembly(**module, target, code)))
      return kernel.emitOpError("has no assembly");
    std::string text;
    llvm::raw_string_ostream(text)
        << "# " << symbol << " \"" << kernel.getName() << "\"\n"
        << StringRef(code.data(), code.size());
    return write(getOperation(), output, symbol + ".s", text);
  }
};

struct ToPtx : public fsdp::impl::KernelToPtxBase<ToPtx> {
  using KernelToPtxBase::KernelToPtxBase;

  void runOnOperation() override {
    FailureOr<unsigned> count =
        forKernels(getOperation(),
                   [&](train::KernelOp kernel, ModuleOp own, StringRef symbol) {
                     return print(kernel, own, symbol);
                   });
    if (failed(count))
      return signalPassFailure();
    numKernels += *count;
  }

  LogicalResult print(train::KernelOp kernel, ModuleOp own, StringRef symbol) {
    FailureOr<GpuKernelInfo> info = emitGpuKernel(kernel, own, symbol);
    std::string code, text;
    if (failed(info) || failed(compileToPtx(own, chip, code)))
      return failure();
    llvm::raw_string_ostream(text)
        << "// " << symbol << " \"" << kernel.getName()
        << "\": " << info->blocks() << " blocks of " << info->threads
        << " threads, " << info->scratchBytes << " bytes of scratch each\n"
        << code;
    return write(getOperation(), output, symbol + ".ptx", text);
  }
};
} // namespace
