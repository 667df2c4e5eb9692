//===- Train.h - The train dialect ------------------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_TRAIN_TRAIN_H
#define FSDP_DIALECTS_TRAIN_TRAIN_H

#include "dialects/Onnx/Onnx.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"

#include "dialects/Train/TrainDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Train/TrainAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Train/TrainOps.h.inc"

#endif // FSDP_DIALECTS_TRAIN_TRAIN_H
