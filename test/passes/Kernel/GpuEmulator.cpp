//===- GpuEmulator.cpp - Kernels for GPUs, run on the CPU -----------------===//
//
// A thread runs alone until it comes to a barrier or a shuffle, then the next
// one does. Where a barrier is missing, one order of the threads or the other
// reads what is not there yet or is gone already.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/GpuEmulator.h"
#include "passes/Kernel/Compile.h"

#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsNVPTX.h"

#include <array>
#include <csetjmp>
#include <ucontext.h>
#include <vector>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

namespace {
enum class State { Ready, Barrier, Shuffle, Done };

struct Fiber {
  ucontext_t start;
  jmp_buf place;
  bool started = false;
  State state = State::Ready;
  uint32_t value = 0, distance = 0; ///< of a shuffle
};

/// The block that runs.
struct Machine {
  static constexpr size_t kStackBytes = 64 * 1024;

  void (*call)(void *const *);
  void *const *args;
  std::vector<Fiber> fibers;
  size_t current = 0;
  uint32_t block = 0, blocks = 0;
  ucontext_t home;
  jmp_buf scheduler;

  void resume(size_t number) {
    current = number;
    if (_setjmp(scheduler))
      return;
    Fiber &fiber = fibers[number];
    if (fiber.started)
      _longjmp(fiber.place, 1);
    fiber.started = true;
    setcontext(&fiber.start);
  }

  /// Gives the turn away until every thread waits.
  void wait(State state) {
    Fiber &fiber = fibers[current];
    fiber.state = state;
    if (_setjmp(fiber.place) == 0)
      _longjmp(scheduler, 1);
  }

  bool allAre(State state) const {
    return llvm::all_of(fibers,
                        [&](const Fiber &f) { return f.state == state; });
  }

  void exchange() {
    std::vector<uint32_t> values;
    for (const Fiber &fiber : fibers)
      values.push_back(fiber.value);
    for (auto [i, fiber] : llvm::enumerate(fibers))
      fiber.value = values[i ^ fiber.distance];
  }
};

Machine *machine;

void runFiber() {
  machine->call(machine->args);
  machine->wait(State::Done);
}
} // namespace

extern "C" uint32_t fsdp_emulated_thread() { return machine->current; }
extern "C" uint32_t fsdp_emulated_block() { return machine->block; }
extern "C" uint32_t fsdp_emulated_blocks() { return machine->blocks; }
extern "C" void fsdp_emulated_barrier() { machine->wait(State::Barrier); }
extern "C" uint32_t fsdp_emulated_shuffle(uint32_t value, uint32_t distance) {
  Fiber &fiber = machine->fibers[machine->current];
  fiber.value = value;
  fiber.distance = distance;
  machine->wait(State::Shuffle);
  return machine->fibers[machine->current].value;
}

/// Stacks stay for the next kernel: new memory is slow.
static void startFibers(Machine &m, int threads) {
  static auto *stacks = new std::array<char[Machine::kStackBytes], kMaxThreads>;
  m.fibers.resize(threads);
  for (auto [fiber, stack] : llvm::zip(m.fibers, *stacks)) {
    fiber.started = false;
    fiber.state = State::Ready;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = stack;
    fiber.start.uc_stack.ss_size = Machine::kStackBytes;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, runFiber, 0);
  }
}

static std::string runBlock(Machine &m, ThreadOrder order) {
  while (true) {
    for (size_t i = 0; i < m.fibers.size(); ++i)
      m.resume(order == ThreadOrder::Ascending ? i : m.fibers.size() - 1 - i);
    if (m.allAre(State::Done))
      return "";
    if (m.allAre(State::Shuffle))
      m.exchange();
    else if (!m.allAre(State::Barrier))
      return "threads of one block wait for different things";
  }
}

std::string test::emulate(void (*call)(void *const *),
                          const GpuKernelInfo &info, int64_t blocks,
                          ThreadOrder order, void *const *args) {
  Machine m;
  m.call = call;
  m.args = args;
  m.blocks = blocks;
  machine = &m;
  for (m.block = 0; m.block < blocks; ++m.block) {
    startFibers(m, info.threads);
    std::string problem = runBlock(m, order);
    if (!problem.empty())
      return problem;
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

/// The emulator's function for a GPU's instruction; null for none.
static const char *functionFor(llvm::Intrinsic::ID id) {
  switch (id) {
  case llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x:
    return "fsdp_emulated_thread";
  case llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x:
    return "fsdp_emulated_block";
  case llvm::Intrinsic::nvvm_read_ptx_sreg_nctaid_x:
    return "fsdp_emulated_blocks";
  case llvm::Intrinsic::nvvm_barrier0:
    return "fsdp_emulated_barrier";
  case llvm::Intrinsic::nvvm_shfl_sync_bfly_i32:
  case llvm::Intrinsic::nvvm_shfl_sync_bfly_f32:
    return "fsdp_emulated_shuffle";
  default:
    return nullptr;
  }
}

static void replaceByCall(llvm::IntrinsicInst *op, const char *name) {
  llvm::IRBuilder<> b(op);
  llvm::Type *type = op->getType();
  SmallVector<llvm::Value *> operands;
  if (op->arg_size() == 4) // mask, value, distance, clamp
    operands = {b.CreateBitCast(op->getArgOperand(1), b.getInt32Ty()),
                op->getArgOperand(2)};
  SmallVector<llvm::Type *> types(operands.size(), b.getInt32Ty());
  bool isVoid = type->isVoidTy();
  auto function = op->getModule()->getOrInsertFunction(
      name, llvm::FunctionType::get(isVoid ? type : b.getInt32Ty(), types,
                                    /*isVarArg=*/false));
  llvm::Value *result = b.CreateCall(function, operands);
  if (!isVoid)
    op->replaceAllUsesWith(b.CreateBitCast(result, type));
  op->eraseFromParent();
}

/// `void <symbol>_call(void *const *args)`.
static void addCaller(llvm::Module &module, StringRef symbol) {
  llvm::Function *kernel = module.getFunction(symbol);
  llvm::IRBuilder<> b(module.getContext());
  auto *caller = llvm::Function::Create(
      llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false),
      llvm::Function::ExternalLinkage, symbol + "_call", module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", caller));
  SmallVector<llvm::Value *> operands;
  for (unsigned i = 0; i < kernel->arg_size(); ++i)
    operands.push_back(
        b.CreateLoad(b.getPtrTy(),
                     b.CreateConstGEP1_64(b.getPtrTy(), caller->getArg(0), i)));
  b.CreateCall(kernel, operands);
  b.CreateRetVoid();
}

LogicalResult test::compileForEmulator(ModuleOp kernel, StringRef symbol,
                                       SmallVectorImpl<char> &object) {
  registerNVVMDialectTranslation(*kernel.getContext());
  llvm::LLVMContext context;
  auto module = translateKernel(kernel, context);
  FailureOr<KernelTarget> target = getKernelTarget("native");
  if (failed(module) || failed(target))
    return failure();
  for (llvm::Function &function : **module)
    for (llvm::Instruction &instruction :
         llvm::make_early_inc_range(llvm::instructions(function)))
      if (auto *op = dyn_cast<llvm::IntrinsicInst>(&instruction))
        if (const char *name = functionFor(op->getIntrinsicID()))
          replaceByCall(op, name);
  addCaller(**module, symbol);
  return compileToObject(**module, *target, object);
}
