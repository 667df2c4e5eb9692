//===- CostModel.h - How long a dispatch should take ------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_COSTMODEL_H
#define FSDP_PASSES_PLAN_COSTMODEL_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Target/CostModel.h"

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Reads "gemm=2e11,memory=1e10" over `model`; fails with what is wrong in
/// `problem`.
mlir::FailureOr<CostModel> parseCostModel(llvm::StringRef text, CostModel model,
                                          std::string &problem);

/// The numbers by name, in the order of the struct.
llvm::SmallVector<std::pair<llvm::StringRef, double>>
costModelNumbers(const CostModel &model);

/// Bytes of the arguments, scratch not counted.
int64_t argumentBytes(mlir::Operation &dispatch);

/// Seconds that `dispatch` takes once it runs, on one of `world` ranks:
///   matrix product  max(2 m n k batch / gemm, bytes / memory); in TF32 half
///                   as many operations as in bf16, as on A100, H100 and B200
///   collective      latency + bytes sent / network, and for a reduction
///                   bytes summed / memory; 0 sent by a lone rank
///   anything else   bytes read and written / memory
/// plus `launch`; a join takes no time of its own.
double estimateSeconds(const CostModel &model, mlir::Operation &dispatch,
                       int64_t world);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_COSTMODEL_H
