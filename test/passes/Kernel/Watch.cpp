//===- Watch.cpp - What a kernel for CPUs touches -------------------------===//
#include "test/passes/Kernel/Watch.h"
#include "passes/Kernel/Simulated.h"
#include "runtime/abi/fsdprt.h"
#include "runtime/abi/simulated.h"

#include <csetjmp>
#include <cstring>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

namespace {
/// What is watched, if anything is.
struct Running {
  simcuda::Access *access = nullptr;
  char *stack = nullptr; ///< where that of the kernel begins, and grows down
  std::string problem;
  jmp_buf end;
} running;
} // namespace

static bool isWatched(const void *address) {
  auto *at = static_cast<const char *>(address);
  auto *here = static_cast<char *>(__builtin_frame_address(0));
  return running.access && !(here <= at && at < running.stack);
}

[[noreturn]] static void end(const std::string &problem) {
  running.problem = problem;
  _longjmp(running.end, 1); // the kernel has nothing to unwind
}

void Watch::load(const void *address, uint64_t bytes) {
  auto *at = static_cast<const char *>(address);
  if (isWatched(at) && !running.access->mayLoad(at, bytes))
    end(running.access->explainLoad(at, bytes));
}

void Watch::store(void *address, uint64_t bytes) {
  auto *at = static_cast<const char *>(address);
  if (isWatched(at) && !running.access->mayStore(at, bytes))
    end(running.access->explainStore(at, bytes));
}

/// Places are told as bytes of the n-th argument: address 0 is its begin.
static std::vector<simcuda::Window>
windowsOf(ArrayRef<Tensor> ins, ArrayRef<Tensor> outs,
          MutableArrayRef<char> scratch,
          std::vector<std::unique_ptr<uint8_t[]>> &written) {
  std::vector<simcuda::Window> windows;
  auto add = [&](void *begin, uint64_t bytes, int access) {
    uint8_t *flags = nullptr;
    if (access != FSDPRT_ACCESS_READ) {
      written.push_back(std::make_unique<uint8_t[]>(bytes));
      flags = written.back().get();
    }
    windows.push_back({static_cast<char *>(begin), bytes, access, flags,
                       reinterpret_cast<uint64_t>(begin)});
  };
  for (const Tensor &in : ins)
    add(in.data(), in.bytes(), FSDPRT_ACCESS_READ);
  for (const Tensor &out : outs)
    add(out.data(), out.bytes(), FSDPRT_ACCESS_WRITE);
  if (!scratch.empty())
    add(scratch.data(), scratch.size(), FSDPRT_ACCESS_SCRATCH);
  return windows;
}

Watch::Watch(ArrayRef<Tensor> ins, ArrayRef<Tensor> outs,
             MutableArrayRef<char> scratch)
    : access(windowsOf(ins, outs, scratch, written), /*announced=*/true,
             /*uninitialized=*/true) {}

std::string Watch::run(llvm::function_ref<void()> call) {
  running.access = &access;
  running.stack = static_cast<char *>(__builtin_frame_address(0));
  running.problem.clear();
  if (_setjmp(running.end) == 0)
    call();
  running.access = nullptr;
  return running.problem;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral kSymbol = "watched";

static LogicalResult compileWatched(train::KernelOp op,
                                    CompiledKernelInfo &info,
                                    SmallVectorImpl<char> &object) {
  OwningOpRef<ModuleOp> dest = ModuleOp::create(op.getLoc());
  FailureOr<CompiledKernelInfo> emitted = emitKernel(op, *dest, kSymbol);
  FailureOr<KernelTarget> target = getKernelTarget("native");
  if (failed(emitted) || failed(target))
    return failure();
  info = *emitted;
  llvm::LLVMContext context;
  auto module = translateWatched(*dest, kSymbol, context);
  if (failed(module))
    return failure();
  return compileToObject(**module, *target, object);
}

std::unique_ptr<WatchedKernel> WatchedKernel::compile(train::KernelOp op,
                                                      std::string &problem) {
  auto kernel = std::make_unique<WatchedKernel>();
  SmallVector<char, 0> object;
  if (failed(compileWatched(op, kernel->info, object))) {
    problem = "cannot be compiled";
    return nullptr;
  }
  kernel->library =
      Library::load(StringRef(object.data(), object.size()), problem);
  if (!kernel->library)
    return nullptr;
  auto *hooks = static_cast<fsdprt_simulated_hooks *>(
      kernel->library->find("fsdp_simulated_hooks"));
  kernel->function = reinterpret_cast<decltype(kernel->function)>(
      kernel->library->find(kSymbol.str()));
  if (!hooks || !kernel->function) {
    problem = "has no entry point, or no hooks";
    return nullptr;
  }
  hooks->load = Watch::load;
  hooks->store = Watch::store;
  return kernel;
}

std::string WatchedKernel::run(ArrayRef<Tensor> ins, ArrayRef<Tensor> outs) {
  std::vector<void *> args;
  for (const Tensor &tensor : llvm::concat<const Tensor>(ins, outs))
    args.push_back(tensor.data());
  for (int64_t half : {0, 1}) {
    std::vector<char> scratch(info.scratchBytes);
    int64_t begin = half ? info.extent / 2 : 0;
    int64_t end = half ? info.extent : info.extent / 2;
    int32_t status = 0;
    std::string problem = Watch(ins, outs, scratch).run([&] {
      status = function(args.data(), scratch.data(), begin, end);
    });
    if (status)
      problem = "returned status " + std::to_string(status);
    if (!problem.empty())
      return problem;
  }
  return "";
}
