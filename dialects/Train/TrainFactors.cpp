//===- TrainFactors.cpp - Updates by factored moments ---------------------===//
#include "dialects/Train/Train.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::train;

LogicalResult PieceAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                int64_t batch, int64_t rows, int64_t columns,
                                int64_t offset, int64_t stride, int64_t begin,
                                int64_t end, OptimizerRule rule) {
  if (!rule.isFactored())
    return emitError() << "piece goes by '" << rule.getKind().name
                       << "', which keeps no factored moments (piece_c1)";
  int64_t least = std::min({batch, rows, columns, offset, stride, begin});
  if (least < 0 || end < begin || (rows == 0 && batch != 1))
    return emitError() << "piece of " << batch << " x " << rows << " x "
                       << columns << " elements at " << offset
                       << " with stride " << stride << " in [" << begin << ", "
                       << end << ") (piece_c1)";
  return success();
}

static int64_t lengthOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getRank() == 1 ? tensor.getDimSize(0) : -1;
}

static int64_t factorsOf(ArrayAttr pieces) {
  int64_t factors = 0;
  for (auto piece : pieces.getAsRange<PieceAttr>())
    factors += piece.getNumFactors();
  return factors;
}

/// Sums of blocks of a shard like `shard`, or -1 where it is none.
static int64_t blocksOf(Type shard, ArrayAttr pieces) {
  int64_t offset = 0;
  for (auto piece : pieces.getAsRange<PieceAttr>()) {
    if (piece.getEnd() > lengthOf(shard) || piece.getOffset() < offset)
      return -1;
    offset = piece.getOffset();
  }
  return int64_t(pieces.size()) *
         llvm::divideCeil(std::max<int64_t>(lengthOf(shard), 0), kFactorBlock);
}

LogicalResult FactorSumsOp::verify() {
  int64_t blocks = blocksOf(getP().getType(), getPieces());
  int64_t sums = factorsOf(getPieces()) + blocks;
  if (blocks >= 0 && lengthOf(getG().getType()) == lengthOf(getP().getType()) &&
      getSums().getType().getDimSize(0) == sums)
    return success();
  return emitOpError("has operands ")
         << getOperandTypes() << " and result " << getSums().getType()
         << ", expected a shard that holds " << getPieces().size()
         << " pieces, its gradient and " << sums << " sums (factor_sums_c1)";
}

LogicalResult FactorStatesOp::verify() {
  int64_t factors = factorsOf(getPieces());
  if (lengthOf(getFactors().getType()) == factors &&
      getSums().getType().getDimSize(0) >= factors)
    return success();
  return emitOpError("has factors ")
         << getFactors().getType() << " and sums " << getSums().getType()
         << ", expected " << factors << " of the pieces (factor_states_c1)";
}

LogicalResult FactorSquaresOp::verify() {
  int64_t blocks = blocksOf(getG().getType(), getPieces());
  int64_t factors = factorsOf(getPieces());
  if (blocks >= 0 && lengthOf(getFactors().getType()) == factors &&
      getSquares().getType().getDimSize(0) == blocks)
    return success();
  return emitOpError("has operands ")
         << getOperandTypes() << " and result " << getSquares().getType()
         << ", expected a shard that holds " << getPieces().size()
         << " pieces, " << factors << " factors and "
         << std::max<int64_t>(blocks, 0) << " sums (factor_squares_c1)";
}

LogicalResult FactorUpdateOp::verify() {
  auto p = cast<RankedTensorType>(getP().getType());
  int64_t blocks = blocksOf(p, getPieces());
  int64_t factors = factorsOf(getPieces());
  if (blocks < 0 || lengthOf(getG().getType()) != lengthOf(p) ||
      lengthOf(getFactors().getType()) != factors ||
      getSums().getType().getDimSize(0) != factors + blocks ||
      getSquares().getType().getDimSize(0) != blocks)
    return emitOpError("has operands ")
           << getOperandTypes() << ", expected a shard that holds "
           << getPieces().size() << " pieces, its gradient, " << factors
           << " factors, " << factors + std::max<int64_t>(blocks, 0)
           << " sums and " << std::max<int64_t>(blocks, 0)
           << " squares (factor_update_c1)";
  size_t states = getStates().size(), updated = getUpdated().size();
  bool fits = updated == states + 1 || updated == states + 2;
  for (auto piece : getPieces().getAsRange<PieceAttr>())
    fits &= piece.getRule().getStates().size() == states;
  for (Type type : getStates().getTypes())
    fits &= type == p;
  for (auto [i, type] : llvm::enumerate(getUpdated().getTypes()))
    fits &= i > states ? lengthOf(type) == lengthOf(p) : type == p;
  if (fits)
    return success();
  return emitOpError("has states ")
         << getStates().getTypes() << " and results " << getResultTypes()
         << ", expected those of its rules like p, " << p
         << " (factor_update_c2)";
}
