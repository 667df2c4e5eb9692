//===- Rows.h - A tensor as rows along its last dimension -------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_ROWS_H
#define FSDP_PASSES_KERNEL_ROWS_H

#include "passes/Kernel/Emitter.h"

namespace fsdp {
/// A tensor [..., D] as rows of D.
struct Rows {
  int64_t count, width;
  mlir::Type element; ///< that is computed in
  bool isHalf;        ///< the memref holds half precision

  Rows(Emitter &e, mlir::Value memref) {
    auto type = llvm::cast<mlir::MemRefType>(memref.getType());
    width = type.getShape().back();
    count = type.getNumElements() / width;
    element = e.computeType(type.getElementType());
    isHalf = element != type.getElementType();
  }
  mlir::Value matrix(Emitter &e, mlir::Value memref) const {
    return e.view(memref, {count, width});
  }
  mlir::Value column(Emitter &e, mlir::Value memref) const {
    return e.view(memref, {count});
  }
};
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_ROWS_H
