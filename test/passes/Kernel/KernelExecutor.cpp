//===- KernelExecutor.cpp - Runs functions of onnx and train ops ----------===//
#include "test/passes/Kernel/KernelExecutor.h"
#include "passes/Kernel/Compile.h"
#include "passes/Kernel/InPlace.h"
#include "passes/Kernel/Passes.h"
#include "test/passes/Kernel/GpuEmulator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SmallSet.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

std::unique_ptr<MLIRContext> test::createContext() {
  auto context = std::make_unique<MLIRContext>();
  context
      ->loadDialect<train::TrainDialect, func::FuncDialect, arith::ArithDialect,
                    math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                    linalg::LinalgDialect, NVVM::NVVMDialect>();
  return context;
}

Library *KernelExecutor::load(StringRef object) {
  std::unique_ptr<Library> library = Library::load(object, error);
  if (!library)
    return nullptr;
  libraries.push_back(std::move(library));
  return libraries.back().get();
}

const KernelExecutor::Kernel *KernelExecutor::compile(train::KernelOp op) {
  auto [it, isNew] = kernels.try_emplace(kernelKey(op));
  if (!isNew)
    return it->second.function ? &it->second : nullptr;
  std::string symbol = "kernel" + std::to_string(kernels.size());
  OwningOpRef<ModuleOp> dest = ModuleOp::create(op.getLoc());
  FailureOr<CompiledKernelInfo> info = emitKernel(op, *dest, symbol);
  FailureOr<KernelTarget> target = getKernelTarget("native");
  if (failed(info) || failed(target)) {
    fail("cannot emit '" + op.getName() + "'");
    return nullptr;
  }
  SmallVector<char, 0> object;
  if (failed(compileKernel(*dest, *target, object))) {
    fail("cannot compile '" + op.getName() + "'");
    return nullptr;
  }
  Library *library = load(StringRef(object.data(), object.size()));
  if (!library)
    return nullptr;
  Kernel kernel;
  kernel.info = *info;
  if (checksGpu && kCanEmulate && !compileGpu(op, symbol, kernel))
    return nullptr;
  kernel.function = reinterpret_cast<Function>(library->find(symbol));
  it->second = kernel;
  return &it->second;
}

bool KernelExecutor::compileGpu(train::KernelOp op, StringRef symbol,
                                Kernel &kernel) {
  OwningOpRef<ModuleOp> dest = ModuleOp::create(op.getLoc());
  FailureOr<GpuKernelInfo> info = emitGpuKernel(op, *dest, symbol);
  if (dropsBarriers)
    dest->walk([](NVVM::Barrier0Op barrier) { barrier.erase(); });
  SmallVector<char, 0> object;
  if (failed(info) || failed(compileForEmulator(*dest, symbol, *info, object)))
    return fail("cannot compile '" + op.getName() + "' for a GPU");
  Library *library = load(StringRef(object.data(), object.size()));
  if (!library)
    return false;
  kernel.gpuInfo = *info;
  kernel.gpuCall = findEmulatedKernel(*library);
  return kernel.gpuCall || fail("no entry point in the GPU's kernel");
}

//===----------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------===//

/// Scratch is full of NaN: nothing may be read there before it is written.
static int32_t invoke(int32_t (*function)(void *const *, void *, int64_t,
                                          int64_t),
                      int64_t scratchBytes, ArrayRef<Tensor> ins,
                      ArrayRef<Tensor> outs, int64_t begin, int64_t end) {
  std::unique_ptr<void, decltype(&std::free)> scratch(
      scratchBytes ? std::aligned_alloc(64, scratchBytes) : nullptr, std::free);
  if (scratch)
    std::memset(scratch.get(), 0xff, scratchBytes);
  std::vector<void *> args;
  for (const Tensor &tensor : ins)
    args.push_back(tensor.data());
  for (const Tensor &tensor : outs)
    args.push_back(tensor.data());
  return function(args.data(), scratch.get(), begin, end);
}

bool KernelExecutor::call(const Kernel &kernel, ArrayRef<Tensor> ins,
                          ArrayRef<Tensor> outs, int64_t begin, int64_t end) {
  int32_t status =
      invoke(kernel.function, kernel.info.scratchBytes, ins, outs, begin, end);
  if (status != 0)
    return fail("kernel returned status " + llvm::Twine(status));
  return true;
}

int32_t KernelExecutor::launch(train::KernelOp op, ArrayRef<Tensor> inputs,
                               ArrayRef<Tensor> outputs) {
  const Kernel *kernel = compile(op);
  if (!kernel)
    return -1;
  return invoke(kernel->function, kernel->info.scratchBytes, inputs, outputs, 0,
                kernel->info.extent);
}

/// Result buffers filled with a byte that no result should keep.
static std::vector<Tensor> poisoned(train::KernelOp op, int byte) {
  std::vector<Tensor> outs;
  for (Type type : op.getOutputs().getTypes()) {
    outs.emplace_back(cast<RankedTensorType>(type));
    std::memset(outs.back().data(), byte, outs.back().bytes());
  }
  return outs;
}

static bool sameBits(ArrayRef<Tensor> a, ArrayRef<Tensor> b) {
  for (auto [x, y] : llvm::zip_equal(a, b))
    if (std::memcmp(x.data(), y.data(), x.bytes()) != 0)
      return false;
  return true;
}

/// Equal but for the order of sums in the result's precision.
static bool agrees(const Tensor &a, const Tensor &b) {
  Type element = a.getType().getElementType();
  double tolerance = element.isF64() ? 1e-11 : element.isF32() ? 1e-5 : 1e-2;
  double most = 0;
  for (double value : a.values())
    most = std::isfinite(value) ? std::max(most, std::abs(value)) : most;
  for (int64_t i = 0; i < a.size(); ++i) {
    double x = a.get(i), y = b.get(i);
    bool same = x == y || (std::isnan(x) && std::isnan(y));
    if (!same &&
        (!isa<FloatType>(element) || !(std::abs(x - y) <= tolerance * most)))
      return false;
  }
  return true;
}

bool KernelExecutor::runGpu(train::KernelOp op, const Kernel &kernel,
                            ArrayRef<Tensor> ins, ArrayRef<Tensor> wanted) {
  auto launch = [&](ArrayRef<Tensor> ins, ArrayRef<Tensor> outs, int64_t blocks,
                    simcuda::Order order) {
    std::vector<char> scratch(blocks * kernel.gpuInfo.scratchBytes, -1);
    int32_t status = 0;
    std::vector<void *> args;
    for (const Tensor &tensor : ins)
      args.push_back(tensor.data());
    for (const Tensor &tensor : outs)
      args.push_back(tensor.data());
    if (!scratch.empty())
      args.push_back(scratch.data());
    args.push_back(&status);
    std::string problem = emulate(*kernel.gpuCall, blocks, order, args.data());
    if (status != 0)
      problem = "status " + std::to_string(status);
    return problem.empty() ||
           fail("'" + op.getName() + "' on a GPU: " + problem);
  };
  int64_t blocks = kernel.gpuInfo.blocks();
  std::vector<Tensor> outs = poisoned(op, 0xa5), few = poisoned(op, 0x5a);
  if (!launch(ins, outs, blocks, simcuda::Order::Ascending) ||
      !launch(ins, few, (blocks + 1) / 2, simcuda::Order::Descending))
    return false;
  if (!sameBits(outs, few))
    return fail("'" + op.getName() +
                "' on a GPU gives other bits with fewer "
                "blocks or threads in another order");
  for (auto [i, out, cpu] : llvm::enumerate(outs, wanted))
    if (!agrees(cpu, out))
      return fail("'" + op.getName() + "' on a GPU gives another result " +
                  llvm::Twine(i));
  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(op);
  for (unsigned result = 0; result < outs.size(); ++result)
    for (unsigned operand : inPlace[result])
      for (simcuda::Order order :
           {simcuda::Order::Ascending, simcuda::Order::Descending}) {
        std::vector<Tensor> own, shared = poisoned(op, 0x33);
        for (const Tensor &in : ins)
          own.push_back(in.copy());
        shared[result] = own[operand].view(outs[result].getType());
        if (!launch(own, shared, blocks, order))
          return false;
        if (!sameBits(outs, shared))
          return fail("'" + op.getName() +
                      "' on a GPU gives other bits when "
                      "result " +
                      llvm::Twine(result) + " overwrites operand " +
                      llvm::Twine(operand));
      }
  return true;
}

bool KernelExecutor::runKernel(train::KernelOp op,
                               llvm::DenseMap<Value, Tensor> &env) {
  const Kernel *kernel = compile(op);
  if (!kernel)
    return false;
  std::vector<Tensor> ins;
  for (Value input : op.getInputs())
    ins.push_back(env.lookup(input));
  int64_t extent = kernel->info.extent;
  std::vector<Tensor> outs = poisoned(op, 0xa5);
  if (!call(*kernel, ins, outs, 0, extent))
    return false;

  std::vector<Tensor> split = poisoned(op, 0x5a);
  int64_t cuts[] = {0, extent / 3, extent / 2, extent};
  for (int i = 2; i >= 0; --i) // in no particular order
    if (cuts[i] < cuts[i + 1] &&
        !call(*kernel, ins, split, cuts[i], cuts[i + 1]))
      return false;
  if (!sameBits(outs, split))
    return fail("'" + op.getName() + "' gives other bits when split");

  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(op);
  for (unsigned result = 0; result < outs.size(); ++result)
    for (unsigned operand : inPlace[result]) {
      std::vector<Tensor> own, shared = poisoned(op, 0x33);
      for (const Tensor &in : ins)
        own.push_back(in.copy());
      shared[result] = own[operand].view(outs[result].getType());
      if (!call(*kernel, own, shared, 0, extent))
        return false;
      if (!sameBits(outs, shared))
        return fail("'" + op.getName() + "' gives other bits when result " +
                    llvm::Twine(result) + " overwrites operand " +
                    llvm::Twine(operand));
    }
  if (kernel->gpuCall && !runGpu(op, *kernel, ins, outs))
    return false;
  if (!runAllInPlace(*kernel, ins, outs, inPlace))
    return fail("'" + op.getName() +
                "' gives other bits when several results overwrite operands");
  for (auto [value, tensor] : llvm::zip_equal(op.getOutputs(), outs))
    env[value] = tensor;
  return true;
}

/// Whether the results are those of `outs` when each has the buffer of another
/// operand that it may take over, as far as there are such.
bool KernelExecutor::runAllInPlace(const Kernel &kernel, ArrayRef<Tensor> ins,
                                   ArrayRef<Tensor> outs,
                                   ArrayRef<SmallVector<unsigned>> inPlace) {
  for (bool reversed : {false, true}) { // which operand a result gets
    std::vector<Tensor> own, shared;
    for (const Tensor &in : ins)
      own.push_back(in.copy());
    llvm::SmallSet<unsigned, 4> taken;
    for (auto [out, operands] : llvm::zip_equal(outs, inPlace)) {
      SmallVector<unsigned> order(operands);
      if (reversed)
        std::reverse(order.begin(), order.end());
      auto *free = llvm::find_if(
          order, [&](unsigned operand) { return !taken.contains(operand); });
      if (free != order.end()) {
        shared.push_back(own[*free].view(out.getType()));
        taken.insert(*free);
      } else {
        shared.emplace_back(out.getType());
        std::memset(shared.back().data(), 0x33, out.bytes());
      }
    }
    if (!call(kernel, own, shared, 0, kernel.info.extent) ||
        !sameBits(outs, shared))
      return false;
  }
  return true;
}

static Tensor constantTensor(onnx::ConstantOp op) {
  Tensor tensor(cast<RankedTensorType>(op.getResult().getType()));
  auto elements = cast<DenseElementsAttr>(op.getValue());
  int64_t i = 0;
  if (isa<FloatType>(elements.getElementType()))
    for (llvm::APFloat value : elements.getValues<llvm::APFloat>()) {
      bool loses;
      value.convert(llvm::APFloat::IEEEdouble(),
                    llvm::APFloat::rmNearestTiesToEven, &loses);
      tensor.set(i++, value.convertToDouble());
    }
  else
    for (const llvm::APInt &value : elements.getValues<llvm::APInt>())
      tensor.set(i++, value.getBitWidth() == 1 ? double(value.getZExtValue())
                                               : double(value.getSExtValue()));
  return tensor;
}

std::optional<std::vector<Tensor>>
KernelExecutor::run(func::FuncOp func, ArrayRef<Tensor> inputs) {
  error.clear();
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  auto copy = cast<func::FuncOp>(func->clone());
  module->push_back(copy);
  PassManager manager(func.getContext());
  manager.addPass(createKernelFormGroups({/*libraryBf16=*/false}));
  if (failed(manager.run(*module))) {
    fail("cannot form kernels");
    return std::nullopt;
  }
  llvm::DenseMap<Value, Tensor> env;
  for (auto [arg, tensor] : llvm::zip_equal(copy.getArguments(), inputs))
    env[arg] = tensor;
  for (Operation &op : copy.getBody().front().without_terminator()) {
    if (auto kernel = dyn_cast<train::KernelOp>(op)) {
      if (!runKernel(kernel, env))
        return std::nullopt;
    } else if (auto reshape = dyn_cast<onnx::ReshapeOp>(op)) {
      env[reshape.getY()] =
          env.lookup(reshape.getX())
              .view(cast<RankedTensorType>(reshape.getY().getType()));
    } else if (auto constant = dyn_cast<onnx::ConstantOp>(op)) {
      env[constant.getResult()] = constantTensor(constant);
    } else {
      fail("no kernel for '" + op.getName().getStringRef() + "'");
      return std::nullopt;
    }
  }
  std::vector<Tensor> results;
  for (Value value : copy.getBody().front().getTerminator()->getOperands())
    results.push_back(env.lookup(value));
  return results;
}
