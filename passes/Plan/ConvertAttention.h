//===- ConvertAttention.h - Attention by the library's products -*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_CONVERTATTENTION_H
#define FSDP_PASSES_PLAN_CONVERTATTENTION_H

#include "passes/Plan/PhaseConverter.h"

#include <array>

namespace fsdp {
/// The one op of `kernel`; null where there are several.
mlir::Operation *opOf(train::KernelOp kernel);

/// The kernel's operand that its op reads as `operand`; null where it is none.
mlir::Value inputOf(train::KernelOp kernel, mlir::Value operand);

/// The kernel's result that is `result` of its op; null where there is none.
mlir::Value outputOf(train::KernelOp kernel, mlir::Value result);

/// Whether `kernel` is an attention or its gradient that `target` wants as
/// products of its library. An attention and all gradients that read its
/// maxima and sums are so together, since these then lie block by block.
bool isSplitAttention(train::KernelOp kernel, const Target &target);

/// Converts a kernel that isSplitAttention: for each block of rows a product,
/// what is done with its rows (train.attention_rows), and products of that.
///
/// A block is as many rows of all heads as Target::getAttentionBytes allows
/// scores of, at most 256 or a 16th of all. A causal block's products end with
/// the last column that any of its rows sees. The maxima and sums of a block
/// that begins with row r are a [B, H, R] at element B * H * r.
class AttentionConverter {
public:
  AttentionConverter(PhaseConverter &converter, train::KernelOp kernel);

  mlir::LogicalResult run();

private:
  /// Rows [first, first + rows) and the first `columns` columns.
  struct Rows {
    int64_t first, rows, columns;
  };
  /// A matrix for each of [B, Hk, H / Hk]: element 0 at element `offset` of a
  /// buffer's range, and strides of the batch, then row and column.
  struct Matrix {
    Slice slice;
    mlir::Type element;
    int64_t offset;
    llvm::SmallVector<int64_t> strides;

    Matrix t() const;
    Matrix head(int64_t number) const; ///< of those that share a k and v
  };
  struct Extents {
    int64_t m, n, k, heads;
  };

  llvm::SmallVector<Rows> blocks() const;
  mlir::RankedTensorType typeOfInput(unsigned number) const;
  mlir::RankedTensorType scoresType(mlir::Type element, const Rows &at) const;
  Matrix queries(Slice slice, unsigned input, mlir::Type element,
                 const Rows &at) const;
  Matrix keys(Slice slice, unsigned input, mlir::Type element) const;
  Matrix scores(Slice slice, mlir::Type element, const Rows &at) const;
  Slice statistics(Slice slice, const Rows &at) const;

  Slice input(unsigned number) const;
  Slice result(unsigned number, int64_t bytes);
  Slice create(llvm::StringRef name, int64_t bytes);
  Slice createScores(llvm::StringRef name, mlir::Type element);
  mlir::LogicalResult multiply(llvm::StringRef name, const Extents &extents,
                               const Matrix &a, const Matrix &b,
                               const Matrix &c, bool accumulates = false,
                               bool isAgain = false);
  mlir::LogicalResult launch(const Rows &at, llvm::SmallVector<mlir::Type> ins,
                             llvm::SmallVector<Slice> inSlices,
                             mlir::Value mask, mlir::TypeRange results,
                             llvm::ArrayRef<Slice> outs);

  mlir::LogicalResult forward(onnx::AttentionOp attention);
  mlir::LogicalResult divide(Slice values, Slice sums, Slice y,
                             mlir::RankedTensorType from,
                             mlir::RankedTensorType to);
  mlir::LogicalResult backward(train::AttentionGradOp grad);
  mlir::LogicalResult sumOverRows(llvm::StringRef name, const Rows &at,
                                  const Matrix &factor, const Matrix &rows,
                                  const Matrix &sum);
  mlir::LogicalResult round(Slice sum, Slice rounded, unsigned number);

  PhaseConverter &converter;
  train::KernelOp kernel;
  mlir::Operation *op;
  llvm::StringRef unit, scope;
  int64_t B, H, Hk, S, T;
  bool causal = false;
  mlir::Type stored, wide; ///< of the tensors, and of sums
};
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_CONVERTATTENTION_H
