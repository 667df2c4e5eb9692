//===- Ptx.cpp - Kernels to PTX -------------------------------------------===//
#include "passes/Kernel/Compile.h"
#include "passes/Kernel/Gpu.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace fsdp;

/// PTX 8.0, of CUDA 12.0, is the first that has all of sm_90.
static constexpr llvm::StringLiteral kPtxVersion = "+ptx80";

static KernelTarget gpuTarget(StringRef chip) {
  static bool initialized = [] { // once, whatever threads ask
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  KernelTarget target;
  target.triple = "nvptx64-nvidia-cuda";
  target.cpu = chip.str();
  target.features = kPtxVersion.str();
  return target;
}

/// Functions that `module` calls and does not define.
static std::string calledFunctions(const llvm::Module &module) {
  std::string names;
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty())
      names += (names.empty() ? "'" : ", '") + function.getName().str() + "'";
  return names;
}

/// Bytes of shared memory that a block of `module`'s kernel takes.
static uint64_t sharedBytes(const llvm::Module &module) {
  const llvm::DataLayout &layout = module.getDataLayout();
  uint64_t bytes = 0;
  for (const llvm::GlobalVariable &global : module.globals())
    if (global.getAddressSpace() == kSharedMemory) {
      bytes = llvm::alignTo(bytes, global.getAlign().valueOrOne());
      bytes += layout.getTypeAllocSize(global.getValueType());
    }
  return bytes;
}

/// The function of `kernel` that a grid runs.
static StringRef entryName(ModuleOp kernel) {
  for (auto function : kernel.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()))
      return function.getSymName();
  return "";
}

FailureOr<std::unique_ptr<llvm::Module>>
fsdp::translateGpuKernel(ModuleOp kernel, StringRef chip,
                         llvm::LLVMContext &context) {
  KernelTarget target = gpuTarget(chip);
  if (!knowsCpu(target))
    return kernel.emitError("unknown GPU '")
           << chip << "', expected one of LLVM's names, as sm_90";
  auto module = translateKernel(kernel, context);
  if (succeeded(module) && sharedBytes(**module) > kMaxSharedBytes) {
    return kernel.emitError("the kernel '")
           << entryName(kernel) << "' takes " << sharedBytes(**module)
           << " bytes of shared memory a block, expected at most "
           << kMaxSharedBytes << "; make its tiles smaller or fewer";
  }
  if (failed(module) || failed(optimize(**module, target)))
    return kernel.emitError("cannot generate code for the kernel");
  if (std::string names = calledFunctions(**module); !names.empty())
    return kernel.emitError("the kernel calls ")
           << names << ", expected no function outside the kernel";
  return module;
}

std::optional<std::string> fsdp::printPtx(llvm::Module &module,
                                          StringRef chip) {
  SmallVector<char, 0> text;
  if (failed(printAssembly(module, gpuTarget(chip), text)))
    return std::nullopt;
  return std::string(text.begin(), text.end());
}

LogicalResult fsdp::compileToPtx(ModuleOp kernel, StringRef chip,
                                 std::string &ptx) {
  llvm::LLVMContext context;
  auto module = translateGpuKernel(kernel, chip, context);
  if (failed(module))
    return failure();
  std::optional<std::string> text = printPtx(**module, chip);
  if (!text)
    return kernel.emitError("cannot generate code for the kernel");
  ptx = *text;
  return success();
}
