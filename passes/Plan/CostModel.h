//===- CostModel.h - How long a dispatch should take ------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_COSTMODEL_H
#define FSDP_PASSES_PLAN_COSTMODEL_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// What a rank's part of the machine can do. The defaults are one core of a
/// recent server and ranks of one machine.
struct CostModel {
  double gemm = 1e11; ///< floating-point operations a second, f32
  double gemmBf16 = 4e11;
  double memory = 8e9;   ///< bytes a second, read or written by a kernel
  double network = 2e9;  ///< bytes a second, sent by a rank
  double latency = 5e-5; ///< seconds, of a collective
  double launch = 2e-6;  ///< seconds, of any dispatch
};

/// Reads "gemm=2e11,memory=1e10" over the defaults; fails with what is wrong in
/// `problem`.
mlir::FailureOr<CostModel> parseCostModel(llvm::StringRef text,
                                          std::string &problem);

/// The numbers by name, in the order of the struct.
llvm::SmallVector<std::pair<llvm::StringRef, double>>
costModelNumbers(const CostModel &model);

/// Bytes of the arguments, scratch not counted.
int64_t argumentBytes(mlir::Operation &dispatch);

/// Seconds that `dispatch` takes once it runs, on one of `world` ranks:
///   matrix product  max(2 m n k batch / gemm, bytes / memory)
///   collective      latency + bytes sent / network, and for a reduction
///                   bytes summed / memory; 0 sent by a lone rank
///   anything else   bytes read and written / memory
/// plus `launch`; a join takes no time of its own.
double estimateSeconds(const CostModel &model, mlir::Operation &dispatch,
                       int64_t world);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_COSTMODEL_H
