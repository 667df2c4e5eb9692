//===- Factors.h - Factored moments of lines --------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_FACTORS_H
#define FSDP_PASSES_PLAN_FACTORS_H

#include "dialects/Fsdp/Fsdp.h"

namespace fsdp {
/// What a state of a line is called whose parts are states of its parameters.
inline constexpr llvm::StringLiteral kFactors = "factors";

/// Whether the rules of `line` keep factored moments.
bool isFactored(sharding::LineAttr line);

/// What a rank has of each parameter of a line, in its order, where isFactored.
llvm::SmallVector<train::PieceAttr> piecesOf(sharding::LineAttr line);

/// All factors of a line, one parameter's after the other's; no elements where
/// not isFactored.
mlir::RankedTensorType factorsType(sharding::LineAttr line);

/// A state of one parameter, [first, first + count) of its line's factors.
struct Factor {
  llvm::StringLiteral name; ///< "row_var", "col_var" or "variance"
  size_t parameter;         ///< its place in the line
  int64_t first, count;
};

/// All of a line, in order.
llvm::SmallVector<Factor> factorsOf(sharding::LineAttr line);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_FACTORS_H
