//===- Gemm.h - Matrix products as library calls ----------------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_GEMM_H
#define FSDP_PASSES_TARGET_GEMM_H

#include "dialects/Train/Train.h"

namespace fsdp {
/// A batched product in the form of `fsdprt.gemm`: strides in elements, one a
/// batch dimension, then row, then column.
struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  llvm::SmallVector<int64_t> batch;
  llvm::SmallVector<int64_t> a, b, c;
};

/// The product that `op` computes on dense row-major operands, with as few
/// batch dimensions as possible: a weight shared by the batch makes one large
/// product. Fails, with an error on the op, when more batch dimensions are left
/// than the library takes.
mlir::FailureOr<GemmShape> getGemmShape(onnx::MatMulOp op);
mlir::FailureOr<GemmShape> getGemmShape(train::LinearOp op);

/// The same product with as few batch dimensions as possible.
void simplify(GemmShape &gemm);
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_GEMM_H
