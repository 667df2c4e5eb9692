//===- Train.h - The train dialect ------------------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_TRAIN_TRAIN_H
#define FSDP_DIALECTS_TRAIN_TRAIN_H

#include "dialects/Onnx/Onnx.h"
#include "dialects/Train/OptimizerRules.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"

#include "dialects/Train/TrainDialect.h.inc"

namespace fsdp::train {
/// What `train.state` holds; written and read by one microbatch after another.
struct StateResource : public mlir::SideEffects::Resource::Base<StateResource> {
  llvm::StringRef getName() final { return "state"; }
};
} // namespace fsdp::train

#include "dialects/Train/TrainRules.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Train/TrainAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Train/TrainOps.h.inc"

namespace fsdp::train {
/// Marks an op that backward computes again, for people to read: reports name
/// its dispatch so.
inline constexpr llvm::StringLiteral kRecomputed = "train.recomputed";
} // namespace fsdp::train

#endif // FSDP_DIALECTS_TRAIN_TRAIN_H
