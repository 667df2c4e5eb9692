//===- Passes.h - From one device to a mesh ---------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SHARD_PASSES_H
#define FSDP_PASSES_SHARD_PASSES_H

#include "dialects/Fsdp/Fsdp.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fsdp {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Shard/Passes.h.inc"
} // namespace fsdp

#endif // FSDP_PASSES_SHARD_PASSES_H
