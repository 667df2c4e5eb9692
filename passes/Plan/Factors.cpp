//===- Factors.cpp - Factored moments of lines ----------------------------===//
#include "passes/Plan/Factors.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

bool fsdp::isFactored(LineAttr line) {
  return line.getTrainable() && line.getRanges().front().getRule().isFactored();
}

static train::PieceAttr pieceOf(LineAttr line, size_t i) {
  LayoutAttr layout = line.getLayout();
  RankedTensorType type = layout.getTensorType(i);
  ArrayRef<int64_t> shape = type.getShape();
  int64_t batch = 1, rows = 0, columns = type.getNumElements();
  if (shape.size() > 1 && columns > 0) {
    rows = shape[shape.size() - 2];
    columns = shape.back();
    batch = type.getNumElements() / (rows * columns);
  }
  int64_t offset = layout.getOffsets()[i];
  int64_t begin = 0, end = layout.getShardElements(), stride = end;
  if (layout.getPlacement() == Placement::Dim0) {
    begin = offset;
    end = layout.getEnd(i);
    stride = end - begin;
  }
  return train::PieceAttr::get(line.getContext(), batch, rows, columns, offset,
                               stride, begin, end, line.getRule(i));
}

SmallVector<train::PieceAttr> fsdp::piecesOf(LineAttr line) {
  SmallVector<train::PieceAttr> pieces;
  for (size_t i = 0; i < line.getParameters().size(); ++i)
    pieces.push_back(pieceOf(line, i));
  return pieces;
}

SmallVector<Factor> fsdp::factorsOf(LineAttr line) {
  SmallVector<Factor> factors;
  int64_t first = 0;
  for (auto [i, piece] : llvm::enumerate(piecesOf(line))) {
    int64_t rows = piece.getNumRowFactors();
    int64_t columns = piece.getNumFactors() - rows;
    if (piece.isVector()) {
      factors.push_back({"variance", i, first, columns});
    } else {
      factors.push_back({"row_var", i, first, rows});
      factors.push_back({"col_var", i, first + rows, columns});
    }
    first += rows + columns;
  }
  return factors;
}

RankedTensorType fsdp::factorsType(LineAttr line) {
  int64_t count = 0;
  if (isFactored(line))
    for (const Factor &factor : factorsOf(line))
      count += factor.count;
  return RankedTensorType::get({count}, line.getLayout().getElementType());
}
