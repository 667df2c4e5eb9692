//===- Space.cpp - Iteration space of broadcast operands ------------------===//
#include "passes/Kernel/Space.h"

using namespace mlir;
using namespace fsdp;

static bool hasDimension(Value operand, size_t i, size_t rank) {
  ArrayRef<int64_t> shape = cast<ShapedType>(operand.getType()).getShape();
  size_t missing = rank - shape.size();
  return i >= missing && shape[i - missing] != 1;
}

Space::Space(ArrayRef<int64_t> shape, ArrayRef<Value> operands,
             ArrayRef<bool> marks) {
  has.resize(operands.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1)
      continue;
    bool mark = !marks.empty() && marks[i];
    SmallVector<bool> present;
    for (Value operand : operands)
      present.push_back(hasDimension(operand, i, shape.size()));
    if (!extents.empty() && isLikeLast(present, mark)) {
      extents.back() *= shape[i];
      continue;
    }
    extents.push_back(shape[i]);
    marked.push_back(mark);
    for (auto [h, p] : llvm::zip(has, present))
      h.push_back(p);
  }
}

bool Space::isLikeLast(ArrayRef<bool> present, bool mark) const {
  for (auto [h, p] : llvm::zip(has, present))
    if (h.back() != p)
      return false;
  return marked.back() == mark;
}

SmallVector<int64_t> Space::shapeOfOperand(size_t operand) const {
  SmallVector<int64_t> shape;
  for (auto [extent, present] : llvm::zip(extents, has[operand]))
    if (present)
      shape.push_back(extent);
  return shape;
}

AffineMap Space::mapOfOperand(size_t operand, MLIRContext *context) const {
  SmallVector<AffineExpr> dims;
  for (auto [i, present] : llvm::enumerate(has[operand]))
    if (present)
      dims.push_back(getAffineDimExpr(i, context));
  return AffineMap::get(extents.size(), 0, dims, context);
}
