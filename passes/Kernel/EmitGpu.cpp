//===- EmitGpu.cpp - Kernels as grids of blocks ---------------------------===//
//
// The body is the one of the CPU's kernel, of linalg on memrefs and loops, and
// is lowered as that is once its loops are shared by the threads of a block.
// Blocks split the range of the outer loop as a CPU's threads do.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Gpu.h"
#include "passes/Kernel/InPlace.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Elements of a shared loop for each thread, where the grain allows a choice.
constexpr int64_t kElementsPerThread = 4;

/// Blocks that a multiprocessor must have registers for at once. Unless told,
/// ptxas wants all of its threads in use and rather spills.
constexpr int kBlocksAtOnce = 1;

//===----------------------------------------------------------------------===//
// Shape of the launch
//===----------------------------------------------------------------------===//

/// Extents of a loop that threads share, where known; none when `op` is not
/// such a loop.
SmallVector<int64_t> sharedExtents(Operation *op) {
  if (auto generic = dyn_cast<linalg::LinalgOp>(op))
    return generic.getStaticLoopRanges();
  SmallVector<int64_t> extents;
  auto loop = dyn_cast<scf::ForOp>(op);
  while (loop && loop->hasAttr(kParallelLoop)) {
    auto low = getConstantIntValue(loop.getLowerBound());
    auto high = getConstantIntValue(loop.getUpperBound());
    extents.push_back(low && high ? *high - *low : ShapedType::kDynamic);
    auto inner = loop.getBody()->getOps<scf::ForOp>();
    loop = inner.empty() ? scf::ForOp() : *inner.begin();
  }
  return extents;
}

int64_t product(ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}

int64_t atOnceOf(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  return generic ? elementsAtOnce(generic) : 1;
}

/// As many threads as the longest loop has groups of elements: whole warps, at
/// most kMaxThreads, which is also what loops of unknown length get.
int chooseThreads(func::FuncOp body) {
  int64_t longest = 1;
  body.walk([&](Operation *op) {
    SmallVector<int64_t> extents = sharedExtents(op);
    if (llvm::is_contained(extents, ShapedType::kDynamic))
      longest = kMaxThreads;
    else
      longest = std::max<int64_t>(
          longest, llvm::divideCeil(product(extents), atOnceOf(op)));
  });
  longest = std::min<int64_t>(longest, kMaxThreads);
  return std::max<int64_t>(llvm::PowerOf2Ceil(longest), kWarp);
}

/// One iteration, but where the threads share the outer loop itself.
int64_t chooseGrain(func::FuncOp body, int threads) {
  int64_t inner = 0, perThread = kElementsPerThread;
  for (Operation &op : body.getBody().front()) {
    SmallVector<int64_t> extents = sharedExtents(&op);
    if (!extents.empty() && ShapedType::isDynamic(extents.front()))
      inner = std::max(inner, product(ArrayRef(extents).drop_front()));
    perThread = std::max(perThread, atOnceOf(&op));
  }
  return inner ? llvm::divideCeil(threads * perThread, inner) : 1;
}

//===----------------------------------------------------------------------===//
// Body
//===----------------------------------------------------------------------===//

/// Fills as generic ops; equal views as one value, that barriers are not put
/// between accesses through two of them.
LogicalResult prepare(func::FuncOp body) {
  SmallVector<linalg::FillOp> fills;
  body.walk([&](linalg::FillOp op) { fills.push_back(op); });
  IRRewriter rewriter(body.getContext());
  for (linalg::FillOp op : fills) {
    rewriter.setInsertionPoint(op);
    if (failed(linalg::generalizeNamedOp(rewriter, op)))
      return failure();
  }
  PassManager manager(body.getContext(), func::FuncOp::getOperationName());
  manager.addPass(createCSEPass());
  return manager.run(body);
}

/// A result may share the buffer of an operand of its size if it may take over
/// any, since operands may be one buffer, too.
bool mayShareBuffer(train::KernelOp kernel,
                    ArrayRef<SmallVector<unsigned>> inPlace, unsigned a,
                    unsigned b) {
  unsigned inputs = kernel.getInputs().size();
  auto bytesOf = [](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getNumElements() * type.getElementTypeBitWidth();
  };
  if (a > b)
    std::swap(a, b);
  return a < inputs && b >= inputs && b - inputs < inPlace.size() &&
         !inPlace[b - inputs].empty() &&
         bytesOf(kernel.getInputs()[a]) ==
             bytesOf(kernel.getOutputs()[b - inputs]);
}

void orderThreads(train::KernelOp kernel, func::FuncOp body, int threads) {
  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(kernel);
  insertBarriers(body, threads, [&](Value a, Value b) {
    auto first = dyn_cast<BlockArgument>(a),
         second = dyn_cast<BlockArgument>(b);
    return first && second &&
           mayShareBuffer(kernel, inPlace, first.getArgNumber(),
                          second.getArgNumber());
  });
}

//===----------------------------------------------------------------------===//
// Entry point
//===----------------------------------------------------------------------===//

/// The function that a grid runs: a block's chunks, one after the other.
class Entry {
public:
  Entry(ModuleOp dest, StringRef symbol, LLVM::LLVMFuncOp body,
        const GpuKernelInfo &info)
      : b(dest.getContext()), loc(dest.getLoc()), body(body), info(info) {
    pointer = LLVM::LLVMPointerType::get(b.getContext());
    numPointers = body.getNumArguments() - 2;          // without begin and end
    SmallVector<Type> types(numPointers + 1, pointer); // with the status
    b.setInsertionPointToEnd(dest.getBody());
    function = b.create<LLVM::LLVMFuncOp>(
        loc, symbol,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                    types));
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                      b.getUnitAttr());
    function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                      b.getDenseI32ArrayAttr({info.threads}));
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                      b.getI32IntegerAttr(kBlocksAtOnce));
    for (unsigned i = 0; i < numPointers; ++i)
      function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                          b.getI64IntegerAttr(kWideBytes));
  }

  void emit() {
    Block *start = function.addEntryBlock(b), *header = addBlock();
    Block *chunk = addBlock(), *report = addBlock(), *next = addBlock();
    Block *exit = addBlock();
    Value place = header->addArgument(b.getI64Type(), loc);

    b.setInsertionPointToStart(start);
    Type i32 = b.getI32Type();
    Value block = toI64(b.create<NVVM::BlockIdXOp>(loc, i32));
    Value blocks = toI64(b.create<NVVM::GridDimXOp>(loc, i32));
    Value thread = b.create<NVVM::ThreadIdXOp>(loc, i32);
    SmallVector<Value> operands = operandsOf(start, block);
    b.create<LLVM::BrOp>(loc, block, header);

    b.setInsertionPointToStart(header);
    Value inside = b.create<LLVM::ICmpOp>(loc, LLVM::ICmpPredicate::slt, place,
                                          number(info.blocks()));
    b.create<LLVM::CondBrOp>(loc, inside, chunk, exit);

    b.setInsertionPointToStart(chunk);
    addRange(operands, place);
    Value status = b.create<LLVM::CallOp>(loc, body, operands).getResult();
    Value none = b.create<LLVM::ConstantOp>(loc, i32, 0);
    Value failed = b.create<LLVM::AndOp>(
        loc, b.create<LLVM::ICmpOp>(loc, LLVM::ICmpPredicate::ne, status, none),
        b.create<LLVM::ICmpOp>(loc, LLVM::ICmpPredicate::eq, thread, none));
    b.create<LLVM::CondBrOp>(loc, failed, report, next);

    b.setInsertionPointToStart(report);
    b.create<LLVM::StoreOp>(loc, status, start->getArguments().back());
    b.create<LLVM::BrOp>(loc, ValueRange(), next);

    b.setInsertionPointToStart(next);
    // The next chunk uses the same shared memory and scratch.
    b.create<NVVM::Barrier0Op>(loc);
    Value following = b.create<LLVM::AddOp>(loc, place, blocks);
    b.create<LLVM::BrOp>(loc, following, header);

    b.setInsertionPointToStart(exit);
    b.create<LLVM::ReturnOp>(loc, ValueRange());
  }

private:
  Block *addBlock() {
    return b.createBlock(&function.getBody(), function.getBody().end());
  }
  Value number(int64_t value) {
    return b.create<LLVM::ConstantOp>(loc, b.getI64Type(), value);
  }
  Value toI64(Value value) {
    return b.create<LLVM::ZExtOp>(loc, b.getI64Type(), value);
  }

  SmallVector<Value> operandsOf(Block *start, Value block) {
    SmallVector<Value> operands(start->getArguments().take_front(numPointers));
    if (info.scratchBytes == 0)
      return operands;
    Value offset = b.create<LLVM::MulOp>(loc, block, number(info.scratchBytes));
    operands.back() =
        b.create<LLVM::GEPOp>(loc, pointer, b.getI8Type(), operands.back(),
                              ArrayRef<LLVM::GEPArg>{offset});
    return operands;
  }

  void addRange(SmallVectorImpl<Value> &operands, Value place) {
    Value begin = b.create<LLVM::MulOp>(loc, place, number(info.grain));
    Value end = b.create<LLVM::AddOp>(loc, begin, number(info.grain));
    Value extent = number(info.extent);
    Value over =
        b.create<LLVM::ICmpOp>(loc, LLVM::ICmpPredicate::sgt, end, extent);
    operands.push_back(begin);
    operands.push_back(b.create<LLVM::SelectOp>(loc, over, extent, end));
  }

  OpBuilder b;
  Location loc;
  LLVM::LLVMFuncOp body, function;
  GpuKernelInfo info;
  Type pointer;
  size_t numPointers;
};
} // namespace

/// The body before its loops are shared, and how it is launched.
static FailureOr<std::pair<func::FuncOp, GpuKernelInfo>>
emitGpuBody(train::KernelOp kernel, ModuleOp dest, StringRef symbol) {
  FailureOr<KernelBody> emitted =
      emitKernelBody(kernel, dest, symbol, /*callsLibrary=*/false);
  if (failed(emitted))
    return failure();
  func::FuncOp function = emitted->function;
  size_t pointers = function.getNumArguments() - 2 + 1; // no range, a status
  if (pointers > kMaxParameters)
    return kernel.emitOpError("'")
           << kernel.getName() << "' takes " << pointers
           << " pointers, its status among them, expected at most "
           << kMaxParameters << ": a launch on a GPU has " << 8 * kMaxParameters
           << " bytes of parameters";
  if (failed(prepare(function)))
    return kernel.emitOpError("cannot be lowered");
  GpuKernelInfo info;
  info.extent = emitted->info.extent;
  info.scratchBytes = emitted->info.scratchBytes;
  info.threads = chooseThreads(function);
  info.grain = chooseGrain(function, info.threads);
  return std::pair(function, info);
}

FailureOr<GpuKernelInfo> fsdp::getGpuKernelInfo(train::KernelOp kernel) {
  OwningOpRef<ModuleOp> own = ModuleOp::create(kernel.getLoc());
  auto emitted = emitGpuBody(kernel, *own, "kernel");
  if (failed(emitted))
    return failure();
  return emitted->second;
}

FailureOr<GpuKernelInfo> fsdp::emitGpuKernel(train::KernelOp kernel,
                                             ModuleOp dest, StringRef symbol) {
  auto emitted = emitGpuBody(kernel, dest, symbol);
  if (failed(emitted))
    return failure();
  auto [function, info] = *emitted;
  orderThreads(kernel, function, info.threads);
  if (failed(spreadOverThreads(function, info.threads)))
    return failure();
  FailureOr<LLVM::LLVMFuncOp> body = lowerKernelBody(kernel, dest, symbol);
  if (failed(body))
    return failure();
  Entry(dest, symbol, *body, info).emit();
  return info;
}
