//===- Passes.h - When collectives run --------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SCHEDULE_PASSES_H
#define FSDP_PASSES_SCHEDULE_PASSES_H

#include "dialects/Fsdp/Fsdp.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fsdp {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Schedule/Passes.h.inc"
} // namespace fsdp

#endif // FSDP_PASSES_SCHEDULE_PASSES_H
