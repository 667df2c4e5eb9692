//===- Passes.h - From a forward graph to a training step -------*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_PASSES_H
#define FSDP_PASSES_TRAIN_PASSES_H

#include "dialects/Train/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fsdp {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

#endif // FSDP_PASSES_TRAIN_PASSES_H
