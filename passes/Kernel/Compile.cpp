//===- Compile.cpp - LLVM modules to objects ------------------------------===//
#include "passes/Kernel/Compile.h"
#include "passes/Kernel/Emit.h"
#include "passes/Kernel/ParallelLoops.h"
#include "passes/Kernel/StackBound.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Target/LLVMIR/LLVMTranslationInterface.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Operator.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace fsdp;

/// Extensions that generated code uses and hosts differ in.
static constexpr llvm::StringLiteral kCheckedFeatures[] = {
    "avx2",     "fma",      "avx512f",     "avx512bw",
    "avx512vl", "avx512dq", "avx512_bf16", "amx_bf16"};

static std::unique_ptr<llvm::TargetMachine>
createMachine(const KernelTarget &target) {
  static bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialized;
  std::string error;
  const llvm::Target *llvmTarget =
      llvm::TargetRegistry::lookupTarget(target.triple, error);
  if (!llvmTarget)
    return nullptr;
  return std::unique_ptr<llvm::TargetMachine>(llvmTarget->createTargetMachine(
      target.triple, target.cpu, target.features, {}, llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// Asked of a subtarget for no CPU in particular: one made for a CPU that LLVM
/// does not know prints a warning of its own.
bool fsdp::knowsCpu(const KernelTarget &target) {
  KernelTarget generic;
  generic.triple = target.triple;
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(generic);
  return machine && machine->getMCSubtargetInfo()->isCPUStringValid(target.cpu);
}

FailureOr<KernelTarget> fsdp::getKernelTarget(StringRef cpu) {
  KernelTarget target;
  target.triple = llvm::sys::getDefaultTargetTriple();
  target.cpu = cpu == "native" ? llvm::sys::getHostCPUName().str() : cpu.str();
  if (cpu == "native") {
    for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
      if (!target.features.empty())
        target.features += ",";
      target.features += (feature.second ? "+" : "-") + feature.first().str();
    }
  }
  if (!knowsCpu(target))
    return failure();
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target);
  if (!machine)
    return failure();
  for (StringRef name : kCheckedFeatures) {
    std::string spelled = name.str(); // LLVM: avx512bf16, amx-bf16
    if (name == "avx512_bf16")
      spelled = "avx512bf16";
    if (name == "amx_bf16")
      spelled = "amx-bf16";
    if (machine->getMCSubtargetInfo()->checkFeatures("+" + spelled))
      target.featureNames.push_back(name.str());
  }
  return target;
}

static void allowContraction(llvm::Function &function) {
  for (llvm::BasicBlock &block : function)
    for (llvm::Instruction &instruction : block)
      // Not in f64: expanded functions carry low parts in exact sums there.
      if (isa<llvm::FPMathOperator>(instruction) &&
          !instruction.getType()->getScalarType()->isDoubleTy())
        instruction.setHasAllowContract(true);
}

void fsdp::registerTranslations(MLIRContext &context) {
  auto *dialect = context.getLoadedDialect<LLVM::LLVMDialect>();
  if (dialect &&
      dialect->getRegisteredInterface<LLVMTranslationDialectInterface>())
    return;
  registerBuiltinDialectTranslation(context);
  registerLLVMDialectTranslation(context);
  registerNVVMDialectTranslation(context);
}

FailureOr<std::unique_ptr<llvm::Module>>
fsdp::translateKernel(ModuleOp kernel, llvm::LLVMContext &context) {
  registerTranslations(*kernel.getContext());
  std::unique_ptr<llvm::Module> module =
      translateModuleToLLVMIR(kernel, context);
  if (!module)
    return failure();
  for (llvm::Function &function : *module) {
    if (function.isDeclaration())
      continue;
    function.setDoesNotThrow();
    // Loops stay loops: a kernel calls neither memset nor memcpy.
    function.addFnAttr("no-builtins");
    if (!function.hasFnAttribute(kChainAttribute))
      allowContraction(function);
    markParallelLoops(function);
  }
  return module;
}

static void optimizeFor(llvm::Module &module, const KernelTarget &target,
                        llvm::TargetMachine &machine) {
  module.setTargetTriple(target.triple);
  module.setDataLayout(machine.createDataLayout());
  for (llvm::Function &function : module) {
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    function.addFnAttr("prefer-vector-width", "512");
  }
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder
      .buildPerModuleDefaultPipeline(target.isQuick
                                         ? llvm::OptimizationLevel::O1
                                         : llvm::OptimizationLevel::O3)
      .run(module, modules);
}

static LogicalResult emit(llvm::Module &module, llvm::TargetMachine &machine,
                          llvm::CodeGenFileType kind,
                          SmallVectorImpl<char> &output) {
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager emission;
  if (machine.addPassesToEmitFile(emission, stream, nullptr, kind))
    return failure();
  emission.run(module);
  return success();
}

static LogicalResult compile(llvm::Module &module, const KernelTarget &target,
                             llvm::CodeGenFileType kind,
                             SmallVectorImpl<char> &output) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target);
  if (!machine)
    return failure();
  optimizeFor(module, target, *machine);
  return emit(module, *machine, kind, output);
}

LogicalResult fsdp::optimize(llvm::Module &module, const KernelTarget &target) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target);
  if (!machine)
    return failure();
  optimizeFor(module, target, *machine);
  return success();
}

LogicalResult fsdp::printAssembly(llvm::Module &module,
                                  const KernelTarget &target,
                                  SmallVectorImpl<char> &text) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(target);
  return machine
             ? emit(module, *machine, llvm::CodeGenFileType::AssemblyFile, text)
             : failure();
}

LogicalResult fsdp::compileToObject(llvm::Module &module,
                                    const KernelTarget &target,
                                    SmallVectorImpl<char> &object) {
  return compile(module, target, llvm::CodeGenFileType::ObjectFile, object);
}

LogicalResult fsdp::compileToAssembly(llvm::Module &module,
                                      const KernelTarget &target,
                                      SmallVectorImpl<char> &text) {
  return compile(module, target, llvm::CodeGenFileType::AssemblyFile, text);
}

/// What the runtime defines for kernels.
static bool isKernelFunction(StringRef symbol) {
#define FSDPRT_KERNEL_FUNCTION(NAME, SUMMARY)                                  \
  if (symbol == #NAME)                                                         \
    return true;
#include "runtime/abi/kernel_functions.def"
  return false;
}

/// What `object` leaves for others than the runtime to define.
static FailureOr<std::string> undefinedSymbols(StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(object, "kernel"));
  if (!file) {
    llvm::consumeError(file.takeError());
    return failure();
  }
  std::string names;
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (flags && name && (*flags & llvm::object::SymbolRef::SF_Undefined) &&
        !name->empty() && !isKernelFunction(*name))
      names += (names.empty() ? "'" : ", '") + name->str() + "'";
    llvm::consumeError(flags.takeError());
    llvm::consumeError(name.takeError());
  }
  return names;
}

LogicalResult fsdp::compileKernel(ModuleOp kernel, const KernelTarget &target,
                                  SmallVectorImpl<char> &object) {
  llvm::LLVMContext context;
  StackExcess excess;
  auto module = translateKernel(kernel, context);
  if (succeeded(module))
    watchStack(**module, excess);
  if (failed(module) || failed(compileToObject(**module, target, object)))
    return kernel.emitError("cannot generate code for the kernel");
  if (!excess.function.empty())
    return kernel.emitError("the kernel '")
           << excess.function << "' takes " << excess.bytes
           << " bytes of stack, expected at most " << kMaxStackBytes;
  if (std::string name = findDynamicStack(**module); !name.empty())
    return kernel.emitError("the kernel '")
           << name << "' takes stack of a size known only when it runs, "
           << "expected tiles of at most " << kMaxStackBytes << " bytes";
  FailureOr<std::string> undefined =
      undefinedSymbols(StringRef(object.data(), object.size()));
  if (failed(undefined))
    return kernel.emitError("the kernel's object file cannot be read back");
  if (!undefined->empty())
    return kernel.emitError("the kernel calls ")
           << *undefined
           << ", expected no function outside the kernel but those of "
              "runtime/abi/kernel_functions.def";
  return success();
}
