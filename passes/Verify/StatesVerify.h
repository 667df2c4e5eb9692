//===- StatesVerify.h - The optimizer's states are a line's -----*- C++ -*-===//
#ifndef FSDP_PASSES_VERIFY_STATESVERIFY_H
#define FSDP_PASSES_VERIFY_STATESVERIFY_H

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// program_v10: each buffer that the optimizer keeps is a named state of a
/// line, and has an element for each of its shard; so checkpoints hold it.
mlir::LogicalResult verifyStates(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_VERIFY_STATESVERIFY_H
