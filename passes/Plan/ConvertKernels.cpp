//===- ConvertKernels.cpp - Kernels and matrix products -------------------===//
#include "passes/Plan/Gemm.h"
#include "passes/Plan/PhaseConverter.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

LogicalResult PhaseConverter::launch(train::KernelOp kernel,
                                     ArrayRef<Slice> ins, ArrayRef<Slice> outs,
                                     StringRef unit) {
  FailureOr<KernelTable::Kernel> compiled = program.kernels.get(kernel);
  if (failed(compiled))
    return failure();
  SmallVector<Attribute> args;
  for (const Slice &slice : ins)
    args.push_back(phase.arg(rt::Access::Read, slice));
  for (const Slice &slice : outs)
    args.push_back(phase.arg(rt::Access::Write, slice));
  int64_t scratch = compiled->info.scratchBytes;
  if (scratch)
    args.push_back(phase.arg(
        rt::Access::Scratch,
        createWork("scratch", rt::BufferKind::Scratch, scratch, unit)));
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::LaunchOp>(kernel.getName(), rt::Stream::Compute, args,
                               unit, onnx::getScope(kernel), compiled->symbol,
                               b.getI64IntegerAttr(compiled->info.extent),
                               b.getI64IntegerAttr(scratch));
  return success();
}

LogicalResult PhaseConverter::convert(train::KernelOp op) {
  StringRef unit = program.unitOfScope(onnx::getScope(op));
  SmallVector<Slice> ins, outs;
  for (Value input : op.getInputs())
    ins.push_back(sliceOf(input));
  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(op);
  llvm::SmallDenseSet<int64_t> taken;
  for (auto [i, result] : llvm::enumerate(op.getOutputs())) {
    Slice slice;
    for (unsigned operand : inPlace[i]) {
      Slice candidate = ins[operand];
      // Another operand in the same buffer may be read at other places.
      bool shared = llvm::any_of(llvm::enumerate(ins), [&](auto in) {
        return in.value().buffer == candidate.buffer &&
               !llvm::is_contained(inPlace[i], unsigned(in.index()));
      });
      if (placed.contains(result) || shared ||
          candidate.bytes != byteSize(result.getType()) ||
          !diesAt(op.getInputs()[operand], op) ||
          !taken.insert(candidate.buffer).second)
        continue;
      slice = candidate;
      ++program.numInPlace;
      break;
    }
    if (slice.buffer < 0)
      slice = resultSlice(result, op.getName(), unit);
    outs.push_back(slice);
  }
  for (auto [result, slice] : llvm::zip(op.getOutputs(), outs))
    assign(result, slice);
  return launch(op, ins, outs, unit);
}

LogicalResult PhaseConverter::convert(onnx::MatMulOp op) {
  FailureOr<GemmShape> gemm = getGemmShape(op);
  if (failed(gemm))
    return failure();
  StringRef unit = program.unitOfScope(op.getScope());
  Slice result = resultSlice(op.getY(), "matmul", unit);
  OpBuilder &b = phase.getBuilder();
  phase.dispatch<rt::GemmOp>(
      "matmul", rt::Stream::Compute,
      {phase.arg(rt::Access::Read, sliceOf(op.getLhs())),
       phase.arg(rt::Access::Read, sliceOf(op.getRhs())),
       phase.arg(rt::Access::Write, result)},
      unit, op.getScope(),
      TypeAttr::get(
          cast<RankedTensorType>(op.getY().getType()).getElementType()),
      b.getBoolAttr(false), b.getI64IntegerAttr(gemm->m),
      b.getI64IntegerAttr(gemm->n), b.getI64IntegerAttr(gemm->k),
      b.getDenseI64ArrayAttr(gemm->batch), b.getDenseI64ArrayAttr(gemm->a),
      b.getDenseI64ArrayAttr(gemm->b), b.getDenseI64ArrayAttr(gemm->c));
  assign(op.getY(), result);
  return success();
}
