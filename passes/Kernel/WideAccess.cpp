//===- WideAccess.cpp - Neighbouring elements of one thread ---------------===//
//
// A GPU moves 16 bytes of a thread in one instruction. LLVM joins the accesses
// to neighbours that it finds beside each other and aligned; what it needs is
// that a thread has neighbours.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Gpu.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

/// Elements beyond which a thread's registers would be too few.
static constexpr int64_t kMostAtOnce = 8;

/// Bytes of an element of `operand` if neighbours along dimension `last` are
/// neighbours in memory; 0 if it does not vary along it, none otherwise.
static std::optional<int64_t>
neighbourBytes(linalg::GenericOp op, OpOperand &operand, unsigned last) {
  auto type = dyn_cast<MemRefType>(operand.get().getType());
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (!type || !map.isFunctionOfDim(last))
    return 0;
  AffineExpr dim = getAffineDimExpr(last, op.getContext());
  SmallVector<int64_t> strides;
  int64_t offset;
  if (map.getResults().back() != dim ||
      llvm::count(map.getResults(), dim) != 1 ||
      failed(getStridesAndOffset(type, strides, offset)) || strides.back() != 1)
    return std::nullopt;
  return llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

int64_t fsdp::elementsAtOnce(linalg::GenericOp op) {
  if (op.getNumLoops() == 0)
    return 1;
  unsigned last = op.getNumLoops() - 1;
  int64_t widest = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> bytes = neighbourBytes(op, operand, last);
    if (!bytes)
      return 1;
    widest = std::max(widest, *bytes);
  }
  if (widest == 0)
    return 1;
  int64_t count = std::min(kMostAtOnce, kWideBytes / widest);
  // Rows of another length do not begin at multiples of 16 bytes.
  int64_t extent = op.getStaticLoopRanges()[last];
  bool isKnown = !ShapedType::isDynamic(extent);
  if (isKnown ? extent % count != 0 : last > 0)
    return 1;
  return count;
}
