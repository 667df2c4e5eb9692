//===- ConvertKernels.cpp - Kernels and matrix products -------------------===//
#include "passes/Kernel/InPlace.h"
#include "passes/Plan/ConvertAttention.h"
#include "passes/Plan/PhaseConverter.h"
#include "runtime/abi/fsdprt.h"

#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

LogicalResult PhaseConverter::launch(train::KernelOp kernel,
                                     ArrayRef<Slice> ins, ArrayRef<Slice> outs,
                                     StringRef unit) {
  FailureOr<KernelTable::Kernel> known = program.kernels.get(kernel);
  if (failed(known))
    return failure();
  const KernelShape &shape = known->shape;
  SmallVector<Attribute> args;
  for (const Slice &slice : ins)
    args.push_back(phase.arg(rt::Access::Read, slice));
  for (const Slice &slice : outs)
    args.push_back(phase.arg(rt::Access::Write, slice));
  if (shape.scratchBytes)
    args.push_back(phase.arg(rt::Access::Scratch,
                             createWork("scratch", rt::BufferKind::Scratch,
                                        shape.plannedScratch(), unit)));
  OpBuilder &b = phase.getBuilder();
  IntegerAttr blocks, threads;
  if (shape.grid) {
    blocks = b.getI64IntegerAttr(shape.grid->blocks);
    threads = b.getI64IntegerAttr(shape.grid->threads);
  }
  phase.dispatch<rt::LaunchOp>(
      kernel.getName(), rt::Stream::Compute, args, unit, onnx::getScope(kernel),
      known->symbol, b.getI64IntegerAttr(shape.extent),
      b.getI64IntegerAttr(shape.scratchBytes), blocks, threads);
  return success();
}

/// Launches a kernel over buffers that no tensor value stands for: the kernel
/// is built on placeholders and erased again.
LogicalResult PhaseConverter::launchBuilt(Operation *at, StringRef name,
                                          StringRef unit, StringRef scope,
                                          TypeRange inputs, BuildBody buildBody,
                                          ArrayRef<Slice> ins,
                                          ArrayRef<Slice> outs) {
  OpBuilder builder(at);
  auto operands = builder.create<UnrealizedConversionCastOp>(
      at->getLoc(), inputs, ValueRange());
  auto body = std::make_unique<Region>();
  Block *entry = &body->emplaceBlock();
  for (Type type : inputs)
    entry->addArgument(type, at->getLoc());
  builder.setInsertionPointToStart(entry);
  ValueRange results = buildBody(builder, entry);
  builder.create<train::YieldOp>(at->getLoc(), results);
  builder.setInsertionPoint(at);
  auto kernel = builder.create<train::KernelOp>(
      at->getLoc(), results.getTypes(), name, operands.getResults(), scope);
  kernel.getBody().takeBody(*body);
  LogicalResult result = launch(kernel, ins, outs, unit);
  kernel.erase();
  operands.erase();
  return result;
}

/// The buffer of an operand that `result` may be computed in place of: one of
/// `allowed`, if nothing reads it afterwards.
std::optional<Slice> PhaseConverter::takeOver(train::KernelOp op, Value result,
                                              ArrayRef<unsigned> allowed,
                                              ArrayRef<Slice> ins,
                                              ArrayRef<Slice> taken) {
  if (placed.contains(result))
    return std::nullopt;
  auto buffersOf = [](ArrayRef<Slice> slices) {
    return llvm::map_to_vector(slices,
                               [](Slice slice) { return slice.buffer; });
  };
  auto dies = [&](unsigned operand) {
    return ins[operand].bytes == byteSize(result.getType()) &&
           diesAt(op.getInputs()[operand], op);
  };
  std::optional<unsigned> operand =
      chooseInPlace(allowed, buffersOf(ins), buffersOf(taken), dies);
  return operand ? std::optional(ins[*operand]) : std::nullopt;
}

LogicalResult PhaseConverter::convert(train::KernelOp op) {
  if (isSplitAttention(op, program.target))
    return AttentionConverter(*this, op).run();
  StringRef unit = program.unitOfScope(onnx::getScope(op));
  SmallVector<Slice> ins, outs;
  for (Value input : op.getInputs())
    ins.push_back(sliceOf(input));
  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(op);
  for (auto [i, result] : llvm::enumerate(op.getOutputs())) {
    std::optional<Slice> slice = takeOver(op, result, inPlace[i], ins, outs);
    outs.push_back(slice ? *slice : resultSlice(result, op.getName(), unit));
    program.numInPlace += llvm::any_of(inPlace[i], [&](unsigned operand) {
      return ins[operand].buffer == outs.back().buffer &&
             ins[operand].begin == outs.back().begin;
    });
  }
  for (auto [result, slice] : llvm::zip(op.getOutputs(), outs))
    assign(result, slice);
  return launch(op, ins, outs, unit);
}

/// Dispatches a product with arguments `args`, and scratch after them.
void PhaseConverter::multiply(const LibraryProduct &product,
                              int64_t scratchBytes,
                              SmallVectorImpl<Attribute> &args) {
  if (scratchBytes)
    args.push_back(phase.arg(rt::Access::Scratch,
                             createWork("gemm scratch", rt::BufferKind::Scratch,
                                        scratchBytes, product.unit)));
  OpBuilder &b = phase.getBuilder();
  auto unitIf = [&](bool holds) {
    return holds ? b.getUnitAttr() : UnitAttr();
  };
  const GemmShape &gemm = product.shape;
  phase.dispatch<rt::GemmOp>(
      product.name, rt::Stream::Compute, args, product.unit, product.scope,
      TypeAttr::get(product.operand), TypeAttr::get(product.result),
      b.getBoolAttr(product.accumulates), b.getI64IntegerAttr(gemm.m),
      b.getI64IntegerAttr(gemm.n), b.getI64IntegerAttr(gemm.k),
      b.getDenseI64ArrayAttr(gemm.batch), b.getDenseI64ArrayAttr(gemm.a),
      b.getDenseI64ArrayAttr(gemm.b), b.getDenseI64ArrayAttr(gemm.c),
      unitIf(product.adds & FSDPRT_GEMM_BIAS),
      unitIf(product.adds & FSDPRT_GEMM_RESIDUAL),
      unitIf(product.operand.isF32() && program.target.allowsTf32()));
}

/// A product by the library, with what it adds.
template <typename Op>
LogicalResult PhaseConverter::convertProduct(Op op, ArrayRef<Value> added,
                                             int32_t adds) {
  FailureOr<GemmShape> gemm = getGemmShape(op);
  if (failed(gemm))
    return failure();
  StringRef unit = program.unitOfScope(op.getScope());
  StringRef name =
      op->hasAttr(train::kRecomputed) ? "recompute_matmul" : "matmul";
  Slice result = resultSlice(op.getY(), name, unit);
  SmallVector<Attribute> args = {
      phase.arg(rt::Access::Read, sliceOf(op.getLhs())),
      phase.arg(rt::Access::Read, sliceOf(op.getRhs())),
      phase.arg(rt::Access::Write, result)};
  for (Value value : added)
    args.push_back(phase.arg(rt::Access::Read, sliceOf(value)));
  // Equal ops, layer by layer, ask for the same.
  auto key = std::make_tuple(op.getLhs().getType(), op.getRhs().getType(),
                             op.getY().getType(),
                             4 * adds + 2 * op.getTransA() + op.getTransB());
  Type operand = getElementTypeOrSelf(op.getLhs());
  auto [bytes, isNew] = program.gemmScratch.try_emplace(key);
  if (isNew)
    bytes->second = program.target.getProductScratchBytes(
        *gemm, operand, getElementTypeOrSelf(op.getY()), adds);
  if (!bytes->second)
    return op.emitOpError("is a product in ")
           << operand << " " << program.target.explainMissingProduct();
  multiply({*gemm, operand, getElementTypeOrSelf(op.getY()), name, unit,
            op.getScope(), adds},
           *bytes->second, args);
  assign(op.getY(), result);
  return success();
}

LogicalResult PhaseConverter::convert(onnx::MatMulOp op) {
  return convertProduct(op, {}, 0);
}

LogicalResult PhaseConverter::convert(train::LinearOp op) {
  SmallVector<Value> added;
  int32_t adds = 0;
  if (op.getBias()) {
    added.push_back(op.getBias());
    adds |= FSDPRT_GEMM_BIAS;
  }
  if (op.getResidual()) {
    added.push_back(op.getResidual());
    adds |= FSDPRT_GEMM_RESIDUAL;
  }
  return convertProduct(op, added, adds);
}
