//===- Differentiate.h - Reverse sweep over a straight line -----*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_DIFFERENTIATE_H
#define FSDP_PASSES_TRAIN_DIFFERENTIATE_H
#include "dialects/Train/Train.h"
namespace fsdp {
mlir::LogicalResult differentiate(mlir::OpBuilder &b, mlir::Value output,
                                  mlir::Value seed, mlir::ValueRange wrt,
                                  llvm::SmallVectorImpl<mlir::Value> &grads);
} // namespace fsdp
#endif
