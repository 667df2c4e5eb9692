//===- Emit.cpp - Kernels as LLVM functions -------------------------------===//
#include "passes/Kernel/Emit.h"
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Lowering.h"
#include "passes/Kernel/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
MemRefType memrefOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), type.getElementType());
}

/// The one op of a kernel that is not elementwise; null with an error when
/// there are several, or neighbours that it cannot be fused with.
Operation *onlyOp(train::KernelOp kernel) {
  Operation *found = nullptr;
  bool hasChain = llvm::any_of(kernel.getBody().front(), [](Operation &op) {
    return isFusibleRowOp(op) || isReduction(&op);
  });
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (isa<onnx::ConstantOp>(op) || (hasChain && isElementwise(&op)))
      continue;
    if (found) {
      kernel.emitOpError("holds '")
          << found->getName() << "' and '" << op.getName()
          << "', which cannot be one kernel";
      return nullptr;
    }
    found = &op;
  }
  return found;
}

/// A reduction with a chain in its loop: not contracted either, so that fusing
/// them changes no bit of what is folded.
bool isReducedChain(train::KernelOp kernel) {
  Block &body = kernel.getBody().front();
  return llvm::any_of(body, [](Operation &op) { return isReduction(&op); }) &&
         llvm::any_of(body, [](Operation &op) { return isElementwise(&op); });
}

LogicalResult emitOp(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::ReduceSumOp, onnx::ReduceMeanOp, onnx::ReduceMaxOp,
            train::ReducePartsOp>([&](auto) { return emitReduction(e, op); })
      .Case([&](onnx::MatMulOp) { return emitProduct(e, op); })
      .Case<onnx::SoftmaxOp, train::SoftmaxGradOp>(
          [&](auto) { return emitRows(e, op); })
      .Case<onnx::LayerNormalizationOp, train::LayerNormGradOp,
            train::LayerNormParamGradOp, onnx::RmsNormalizationOp,
            train::RmsNormGradOp, train::RmsNormParamGradOp>(
          [&](auto) { return emitNorm(e, op); })
      .Case<train::CrossEntropyOp, train::CrossEntropyGradOp,
            train::CountValidOp>([&](auto) { return emitLoss(e, op); })
      .Case<train::SumOfSquaresOp, train::ClipCoefficientOp,
            train::FlatUpdateOp, train::FlatFillOp>(
          [&](auto) { return emitUpdate(e, op); })
      .Case<train::FactorSumsOp, train::FactorStatesOp, train::FactorSquaresOp,
            train::FactorUpdateOp>([&](auto) { return emitFactors(e, op); })
      .Case<onnx::AttentionOp, train::AttentionGradOp>(
          [&](auto) { return emitAttention(e, op); })
      .Case<train::AttentionRowsOp, train::AttentionRowsGradOp,
            train::AttentionDivideOp>(
          [&](auto) { return emitAttentionRows(e, op); })
      .Case<onnx::GatherOp, onnx::ScatterOp, train::GatherGradOp>(
          [&](auto) { return emitIndex(e, op); })
      .Case<train::OrderIndicesOp, train::GatherGradOrderedOp>(
          [&](auto) { return emitOrderedIndex(e, op); })
      .Case<onnx::TopKOp, onnx::CumSumOp>(
          [&](auto) { return emitOrder(e, op); })
      .Default([&](Operation *) { return emitMove(e, op); });
}

/// A worker's scratch in the kernel; null when it needs none.
MemRefType scratchOf(train::KernelOp kernel) {
  for (Operation &op : kernel.getBody().front())
    for (auto scratchOfOp :
         {scratchOfAttention, scratchOfIndex, scratchOfProduct})
      if (MemRefType type = scratchOfOp(&op))
        return type;
  return nullptr;
}

/// Of a worker, padded so that the next worker's is aligned.
int64_t scratchBytesOf(train::KernelOp kernel) {
  MemRefType type = scratchOf(kernel);
  return type ? llvm::alignTo(type.getNumElements() *
                                  type.getElementTypeBitWidth() / 8,
                              64)
              : 0;
}

/// What the emitters expect for each operand of the kernel's op: a block
/// argument's memref. Splat constants other than in elementwise chains are
/// read through one of these as well, so there must be none.
LogicalResult emitBody(Emitter &e, train::KernelOp kernel) {
  if (isElementwiseGroup(kernel))
    return emitElementwise(e, kernel);
  Operation *op = onlyOp(kernel);
  if (!op)
    return failure();
  // Emitters index `ins` by operand: spread the arguments accordingly.
  if (isFusibleRowOp(*op)) {
    e.ins = setUpRowChain(e, kernel, op);
  } else if (isReduction(op)) {
    setUpReductionChain(e, kernel, op);
  } else if (!isa<onnx::ConcatOp, onnx::ScatterOp>(op)) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      auto arg = dyn_cast<BlockArgument>(operand);
      if (!arg)
        return op->emitOpError("reads a constant inside its kernel");
      operands.push_back(e.ins[arg.getArgNumber()]);
    }
    e.ins = operands;
  }
  return emitOp(e, op);
}

/// The function with the runtime's signature, which unpacks the arguments.
void emitEntry(OpBuilder &b, ModuleOp dest, StringRef symbol, size_t numArgs,
               bool hasScratch, LLVM::LLVMFuncOp body) {
  Location loc = dest.getLoc();
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  auto type =
      LLVM::LLVMFunctionType::get(b.getI32Type(), {pointer, pointer, i64, i64});
  b.setInsertionPointToEnd(dest.getBody());
  auto func = b.create<LLVM::LLVMFuncOp>(loc, symbol, type);
  Block *entry = func.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  SmallVector<Value> operands;
  for (size_t i = 0; i < numArgs; ++i) {
    Value slot =
        b.create<LLVM::GEPOp>(loc, pointer, pointer, entry->getArgument(0),
                              ArrayRef<LLVM::GEPArg>{int32_t(i)});
    operands.push_back(b.create<LLVM::LoadOp>(loc, pointer, slot));
  }
  if (hasScratch)
    operands.push_back(entry->getArgument(1));
  operands.push_back(entry->getArgument(2));
  operands.push_back(entry->getArgument(3));
  auto call = b.create<LLVM::CallOp>(loc, body, operands);
  b.create<LLVM::ReturnOp>(loc, call.getResult());
}
} // namespace

bool fsdp::isElementwiseGroup(train::KernelOp kernel) {
  return llvm::all_of(kernel.getBody().front().without_terminator(),
                      [](Operation &op) {
                        return isElementwise(&op) || isa<onnx::ConstantOp>(op);
                      });
}

FailureOr<KernelBody> fsdp::emitKernelBody(train::KernelOp kernel,
                                           ModuleOp dest, StringRef symbol,
                                           bool callsLibrary) {
  OpBuilder b(kernel.getContext());
  Location loc = kernel.getLoc();
  SmallVector<Type> types;
  for (Type type : kernel.getInputs().getTypes())
    types.push_back(memrefOf(type));
  for (Type type : kernel.getOutputs().getTypes())
    types.push_back(memrefOf(type));
  MemRefType scratch = scratchOf(kernel);
  if (scratch)
    types.push_back(scratch);
  types.append(2, b.getI64Type());
  b.setInsertionPointToEnd(dest.getBody());
  auto func = b.create<func::FuncOp>(loc, (symbol + "_body").str(),
                                     b.getFunctionType(types, b.getI32Type()));
  Block *entry = func.addEntryBlock();
  b.setInsertionPointToStart(entry);
  Emitter e(b, loc);
  e.callsLibrary = callsLibrary;
  size_t inputs = kernel.getInputs().size();
  auto args = entry->getArguments();
  e.ins.assign(args.begin(), args.begin() + inputs);
  e.outs.assign(args.begin() + inputs, args.end() - (scratch ? 3 : 2));
  if (scratch)
    e.scratch = args[args.size() - 3];
  e.begin = e.toIndex(args[args.size() - 2]);
  e.end = e.toIndex(args[args.size() - 1]);
  e.status =
      b.create<memref::AllocaOp>(loc, MemRefType::get({}, b.getI32Type()));
  e.store(e.number(b.getI32Type(), 0), e.status);
  if (failed(emitBody(e, kernel)))
    return failure();
  b.create<func::ReturnOp>(loc, e.load(e.status));
  return KernelBody{func, {e.extent, scratchBytesOf(kernel)}};
}

FailureOr<LLVM::LLVMFuncOp>
fsdp::lowerKernelBody(train::KernelOp kernel, ModuleOp dest, StringRef symbol) {
  if (failed(lowerKernel(dest)))
    return kernel.emitOpError("cannot be lowered");
  auto body = dest.lookupSymbol<LLVM::LLVMFuncOp>((symbol + "_body").str());
  if (!body)
    return kernel.emitOpError("cannot be lowered: it has results of types ")
           << kernel.getResultTypes();
  body.setLinkage(LLVM::Linkage::Internal);
  SmallVector<StringRef> attributes = {"alwaysinline"};
  if (isElementwiseGroup(kernel) || isReducedChain(kernel))
    attributes.push_back(kChainAttribute);
  body.setPassthroughAttr(
      Builder(dest.getContext()).getStrArrayAttr(attributes));
  return body;
}

FailureOr<CompiledKernelInfo>
fsdp::emitKernel(train::KernelOp kernel, ModuleOp dest, StringRef symbol) {
  FailureOr<KernelBody> emitted = emitKernelBody(kernel, dest, symbol);
  if (failed(emitted))
    return failure();
  FailureOr<LLVM::LLVMFuncOp> body = lowerKernelBody(kernel, dest, symbol);
  if (failed(body))
    return failure();
  OpBuilder b(kernel.getContext());
  emitEntry(b, dest, symbol,
            kernel.getInputs().size() + kernel.getOutputs().size(),
            bool(scratchOf(kernel)), *body);
  return emitted->info;
}

FailureOr<CompiledKernelInfo> fsdp::getKernelInfo(train::KernelOp kernel) {
  OwningOpRef<ModuleOp> own = ModuleOp::create(kernel.getLoc());
  FailureOr<KernelBody> emitted = emitKernelBody(kernel, *own, "kernel");
  if (failed(emitted))
    return failure();
  return emitted->info;
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

std::string fsdp::kernelKey(train::KernelOp kernel) {
  std::string key;
  llvm::raw_string_ostream os(key);
  DenseMap<Value, unsigned> numbers;
  auto print = [&](Value value) {
    os << numbers.try_emplace(value, numbers.size()).first->second << ":"
       << value.getType() << " ";
  };
  Block &body = kernel.getBody().front();
  for (BlockArgument arg : body.getArguments())
    print(arg);
  for (Operation &op : body) {
    os << op.getName() << "(";
    for (Value operand : op.getOperands())
      print(operand);
    for (NamedAttribute attr : op.getAttrs())
      if (attr.getName() != "scope")
        os << attr.getName().getValue() << "=" << attr.getValue() << " ";
    os << ")";
    for (Value result : op.getResults())
      print(result);
  }
  return key;
}
