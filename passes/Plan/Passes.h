//===- Passes.h - Buffers, schedules, offsets -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_PASSES_H
#define FSDP_PASSES_PLAN_PASSES_H

#include "dialects/Fsdp/Fsdp.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fsdp {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Plan/Passes.h.inc"
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_PASSES_H
