//===- Passes.h - What must hold at the end of each stage -------*- C++ -*-===//
#ifndef FSDP_PASSES_VERIFY_PASSES_H
#define FSDP_PASSES_VERIFY_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fsdp {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

#endif // FSDP_PASSES_VERIFY_PASSES_H
