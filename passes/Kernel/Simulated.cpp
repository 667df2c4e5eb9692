//===- Simulated.cpp - GPU kernels compiled for the host ------------------===//
//
//   %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
//   %x = load float, ptr %p
// becomes
//   %thread = load ptr, ptr @fsdp_simulated_hooks
//   %t = call i32 %thread()
//   %load = load ptr, ptr getelementptr (@fsdp_simulated_hooks, 0, 5)
//   call void %load(ptr %p, i64 4)
//   %x = load float, ptr %p
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Simulated.h"
#include "passes/Kernel/Gpu.h"
#include "runtime/abi/simulated.h"

#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace fsdp;

/// Fields of fsdprt_simulated_hooks, in order.
enum class Hook { Thread, Block, Blocks, Barrier, Shuffle, Load, Store };
static constexpr unsigned kNumHooks = 7;
static_assert(sizeof(fsdprt_simulated_hooks) == kNumHooks * sizeof(void *),
              "Hook mirrors it");
static_assert(sizeof(fsdprt_simulated_kernel) == 24,
              "addSimulatorTable mirrors it");

static constexpr llvm::StringLiteral kHooks = "fsdp_simulated_hooks";

/// Vectors and fused multiply-adds as on the CPUs of the last ten years:
/// without them arithmetic would be calls of libm.
FailureOr<KernelTarget> fsdp::getSimulatorTarget() {
  llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  return getKernelTarget(host.getArch() == llvm::Triple::x86_64 ? "x86-64-v3"
                                                                : "native");
}

static llvm::GlobalVariable *getHooks(llvm::Module &module) {
  auto *pointer = llvm::PointerType::getUnqual(module.getContext());
  return llvm::cast<llvm::GlobalVariable>(module.getOrInsertGlobal(
      kHooks, llvm::ArrayType::get(pointer, kNumHooks)));
}

/// A call of `hook` before `at`.
static llvm::Value *callHook(llvm::Instruction *at, Hook hook,
                             llvm::Type *result,
                             ArrayRef<llvm::Value *> operands) {
  llvm::IRBuilder<> b(at);
  llvm::GlobalVariable *hooks = getHooks(*at->getModule());
  SmallVector<llvm::Type *> types;
  for (llvm::Value *operand : operands)
    types.push_back(operand->getType());
  llvm::Value *slot = b.CreateConstInBoundsGEP2_64(hooks->getValueType(), hooks,
                                                   0, unsigned(hook));
  return b.CreateCall(llvm::FunctionType::get(result, types, false),
                      b.CreateLoad(b.getPtrTy(), slot), operands);
}

/// The hook of a GPU's instruction.
static std::optional<Hook> hookFor(llvm::Intrinsic::ID id) {
  switch (id) {
  case llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x:
    return Hook::Thread;
  case llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x:
    return Hook::Block;
  case llvm::Intrinsic::nvvm_read_ptx_sreg_nctaid_x:
    return Hook::Blocks;
  case llvm::Intrinsic::nvvm_barrier0:
    return Hook::Barrier;
  case llvm::Intrinsic::nvvm_shfl_sync_bfly_i32:
  case llvm::Intrinsic::nvvm_shfl_sync_bfly_f32:
    return Hook::Shuffle;
  default:
    return std::nullopt;
  }
}

static void replaceByHook(llvm::IntrinsicInst *op, Hook hook) {
  llvm::IRBuilder<> b(op);
  llvm::Type *type = op->getType();
  SmallVector<llvm::Value *> operands;
  if (hook == Hook::Shuffle) // mask, value, distance, clamp
    operands = {b.CreateBitCast(op->getArgOperand(1), b.getInt32Ty()),
                op->getArgOperand(2)};
  llvm::Value *result =
      callHook(op, hook, type->isVoidTy() ? type : b.getInt32Ty(), operands);
  if (!type->isVoidTy())
    op->replaceAllUsesWith(b.CreateBitCast(result, type));
  op->eraseFromParent();
}

/// Whether `pointer` is neither on a thread's stack nor shared by a block.
static bool isGlobalMemory(const llvm::Value *pointer) {
  const llvm::Value *object =
      llvm::getUnderlyingObject(pointer, /*MaxLookup=*/0);
  return !isa<llvm::AllocaInst>(object) &&
         object->getType()->getPointerAddressSpace() != kSharedMemory;
}

/// Tells of an access to global memory before it happens.
static void watch(llvm::Instruction *access) {
  llvm::Value *pointer = llvm::getLoadStorePointerOperand(access);
  if (!pointer || !isGlobalMemory(pointer))
    return;
  llvm::IRBuilder<> b(access);
  uint64_t bytes = access->getModule()->getDataLayout().getTypeStoreSize(
      llvm::getLoadStoreType(access));
  callHook(access, isa<llvm::LoadInst>(access) ? Hook::Load : Hook::Store,
           b.getVoidTy(), {pointer, b.getInt64(bytes)});
}

/// `void <symbol>_call(void *const *args)`.
static void addCaller(llvm::Module &module, StringRef symbol) {
  llvm::Function *kernel = module.getFunction(symbol);
  llvm::IRBuilder<> b(module.getContext());
  auto *caller = llvm::Function::Create(
      llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false),
      llvm::Function::ExternalLinkage, symbol + "_call", module);
  caller->setVisibility(llvm::GlobalValue::HiddenVisibility);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", caller));
  SmallVector<llvm::Value *> operands;
  for (unsigned i = 0; i < kernel->arg_size(); ++i)
    operands.push_back(
        b.CreateLoad(b.getPtrTy(),
                     b.CreateConstGEP1_64(b.getPtrTy(), caller->getArg(0), i)));
  b.CreateCall(kernel, operands);
  b.CreateRetVoid();
  kernel->setLinkage(llvm::GlobalValue::InternalLinkage);
}

FailureOr<std::unique_ptr<llvm::Module>>
fsdp::translateForSimulator(ModuleOp kernel, StringRef symbol,
                            llvm::LLVMContext &context) {
  auto module = translateKernel(kernel, context);
  if (failed(module))
    return failure();
  for (llvm::Function &function : **module) {
    SmallVector<llvm::Instruction *> all;
    for (llvm::Instruction &instruction : llvm::instructions(function))
      all.push_back(&instruction);
    for (llvm::Instruction *instruction : all) {
      watch(instruction);
      auto *op = dyn_cast<llvm::IntrinsicInst>(instruction);
      if (!op)
        continue;
      if (std::optional<Hook> hook = hookFor(op->getIntrinsicID()))
        replaceByHook(op, *hook);
      else if (op->getCalledFunction()->getName().starts_with("llvm.nvvm."))
        return kernel.emitError("the simulator has no hook for '")
               << op->getCalledFunction()->getName() << "'";
    }
  }
  addCaller(**module, symbol);
  return module;
}

/// The entry but unpacks the arguments, which it passes to the kernel's body.
FailureOr<std::unique_ptr<llvm::Module>>
fsdp::translateWatched(ModuleOp kernel, StringRef symbol,
                       llvm::LLVMContext &context) {
  auto module = translateKernel(kernel, context);
  if (failed(module))
    return failure();
  for (llvm::Function &function : **module) {
    if (function.getName() == symbol)
      continue;
    SmallVector<llvm::Instruction *> all;
    for (llvm::Instruction &instruction : llvm::instructions(function))
      all.push_back(&instruction);
    llvm::for_each(all, watch);
  }
  addSimulatorTable(**module, {});
  return module;
}

void fsdp::addSimulatorTable(llvm::Module &module,
                             ArrayRef<SimulatedKernel> kernels) {
  llvm::IRBuilder<> b(module.getContext());
  llvm::GlobalVariable *hooks = getHooks(module);
  hooks->setInitializer(llvm::Constant::getNullValue(hooks->getValueType()));
  auto *callType = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()},
                                           /*isVarArg=*/false);
  auto *null = llvm::ConstantPointerNull::get(b.getPtrTy());
  SmallVector<llvm::Constant *> rows;
  auto addRow = [&](llvm::Constant *name, llvm::Constant *call, uint32_t args,
                    uint32_t threads) {
    rows.push_back(llvm::ConstantStruct::getAnon(
        {name, call, b.getInt32(args), b.getInt32(threads)}));
  };
  for (const SimulatedKernel &kernel : kernels) {
    auto *name =
        llvm::ConstantDataArray::getString(module.getContext(), kernel.symbol);
    auto *text = new llvm::GlobalVariable(module, name->getType(), true,
                                          llvm::GlobalValue::PrivateLinkage,
                                          name, "name");
    auto *call = llvm::cast<llvm::Constant>(
        module.getOrInsertFunction(kernel.symbol + "_call", callType)
            .getCallee());
    addRow(text, call, kernel.numArgs, kernel.threads);
  }
  addRow(null, null, 0, 0);
  auto *type = llvm::ArrayType::get(rows.front()->getType(), rows.size());
  new llvm::GlobalVariable(
      module, type, true, llvm::GlobalValue::ExternalLinkage,
      llvm::ConstantArray::get(type, rows), "fsdp_simulated_kernels");
}
