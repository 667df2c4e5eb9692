//===- Communicators.h - Who talks in which group ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_COMMUNICATORS_H
#define FSDP_PASSES_PLAN_COMMUNICATORS_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "runtime/abi/fsdprt.h"

#include <optional>

namespace fsdp {
/// FSDPRT_COMM_*, if the dispatch is a collective.
inline std::optional<int> communicatorOf(mlir::Operation *op) {
  if (llvm::isa<rt::AllGatherOp>(op))
    return FSDPRT_COMM_GATHER;
  if (llvm::isa<rt::ReduceScatterOp>(op))
    return FSDPRT_COMM_REDUCE;
  if (llvm::isa<rt::AllReduceOp>(op))
    return FSDPRT_COMM_SCALAR;
  return std::nullopt;
}

/// What messages call it.
inline llvm::StringRef communicatorName(int communicator) {
  return communicator == FSDPRT_COMM_GATHER   ? "gather"
         : communicator == FSDPRT_COMM_REDUCE ? "reduce"
                                              : "scalar";
}
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_COMMUNICATORS_H
