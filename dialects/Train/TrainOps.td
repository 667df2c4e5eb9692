//===- TrainOps.td - Operators of a training step ----------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_TRAIN_OPS
#define FSDP_DIALECTS_TRAIN_OPS

include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "dialects/Train/TrainBase.td"
include "dialects/Train/TrainAttrs.td"
include "dialects/Train/TrainGradients.td"
include "dialects/Train/TrainAttention.td"
include "dialects/Train/TrainStep.td"
include "dialects/Train/TrainKernels.td"
include "dialects/Train/TrainFactors.td"

#endif
