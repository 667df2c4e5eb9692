//===- Space.h - Iteration space of broadcast operands ----------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_SPACE_H
#define FSDP_PASSES_KERNEL_SPACE_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"

namespace fsdp {
/// The space of a tensor's elements with neighbouring dimensions merged that
/// every operand has or lacks (is broadcast over), and that are marked alike.
struct Space {
  llvm::SmallVector<int64_t> extents;
  /// Of each operand: which of the merged dimensions it has.
  llvm::SmallVector<llvm::SmallVector<bool>> has;
  llvm::SmallVector<bool> marked; ///< the mark of each merged dimension

  Space() = default;
  /// `marks`: one a dimension of `shape`, or none.
  Space(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<mlir::Value> operands,
        llvm::ArrayRef<bool> marks = {});

  llvm::SmallVector<int64_t> shapeOfOperand(size_t operand) const;
  mlir::AffineMap mapOfOperand(size_t operand,
                               mlir::MLIRContext *context) const;

private:
  bool isLikeLast(llvm::ArrayRef<bool> present, bool mark) const;
};
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_SPACE_H
