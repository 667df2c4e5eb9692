//===- GemmVerifiers.cpp - Constraints of products ------------------------===//
#include "dialects/FsdpRt/DispatchChecks.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::rt;

/// The bytes from the first element of a matrix operand to its last one's end;
/// none where they are too many to count.
static std::optional<int64_t>
spannedBytes(ArrayRef<int64_t> extents, ArrayRef<int64_t> strides, Type dtype) {
  int64_t last = 0, bytes;
  for (auto [extent, stride] : llvm::zip_equal(extents, strides)) {
    int64_t step;
    if (llvm::MulOverflow(extent - 1, stride, step) ||
        llvm::AddOverflow(last, step, last))
      return std::nullopt;
  }
  if (llvm::AddOverflow(last, int64_t(1), last) ||
      llvm::MulOverflow(last, bytesOf(dtype), bytes))
    return std::nullopt;
  return bytes;
}

/// (gemm_c3): argument `i` of the product holds a `rows` x `columns` matrix for
/// each entry of the batch.
static LogicalResult verifyMatrix(GemmOp op, size_t i, int64_t rows,
                                  int64_t columns, ArrayRef<int64_t> strides,
                                  Type dtype) {
  SmallVector<int64_t> extents(op.getBatch());
  extents.append({rows, columns});
  std::optional<int64_t> bytes = spannedBytes(extents, strides, dtype);
  if (!bytes || argument(op.getArgs(), i).getBytes() < *bytes)
    return op.emitOpError("argument ")
           << i << " has " << argument(op.getArgs(), i).getBytes()
           << " bytes, too few for its extents and strides (gemm_c3)";
  return success();
}

/// (gemm_c1) and (gemm_c2): what the descriptor holds.
static LogicalResult verifyProblem(GemmOp op) {
  constexpr size_t kMaxBatch = 4; // FSDPRT_MAX_BATCH_DIMS
  size_t rank = op.getBatch().size();
  ArrayRef<int64_t> all[] = {op.getAStrides(), op.getBStrides(),
                             op.getCStrides()};
  auto isPositive = [](int64_t x) { return x > 0; };
  int64_t sizes[] = {int64_t(op.getM()), int64_t(op.getN()),
                     int64_t(op.getK())};
  if (!llvm::all_of(sizes, isPositive) ||
      !llvm::all_of(op.getBatch(), isPositive) || rank > kMaxBatch)
    return op.emitOpError("has batch [")
           << op.getBatch() << "] of " << sizes[0] << " x " << sizes[1] << " x "
           << sizes[2] << ", expected extents of 1 or more and at most "
           << kMaxBatch << " of a batch (gemm_c1)";
  for (ArrayRef<int64_t> strides : all)
    if (strides.size() != rank + 2 ||
        llvm::any_of(strides, [](int64_t x) { return x < 0; }) ||
        !llvm::is_contained(strides.take_back(2), 1))
      return op.emitOpError("has strides [")
             << strides << "], expected " << rank + 2
             << " of 0 or more, one of the last two 1 (gemm_c2)";
  if (op.getCStrides().back() != 1)
    return op.emitOpError("has column stride ")
           << op.getCStrides().back() << " of C, expected 1 (gemm_c2)";
  return success();
}

LogicalResult GemmOp::verify() {
  Type dtype = getDtype(), cDtype = getCDtype();
  if (!(dtype.isF32() || dtype.isBF16() || dtype.isF16()) ||
      !(cDtype == dtype || cDtype.isF32()))
    return emitOpError("multiplies ")
           << dtype << " to " << cDtype
           << ", expected f32, bf16 or f16, to the same or to f32 (gemm_c4)";
  if (failed(verifyProblem(*this)))
    return failure();
  SmallVector<Accesses> expected = {
      kReads, kReads, getAccumulate() ? Accesses(kUpdates) : Accesses(kWrites)};
  expected.append(size_t(getBias()) + size_t(getResidual()), kReads);
  if (getArgs().size() > expected.size())
    expected.push_back(kScratch);
  if (failed(verifyArguments(*this, getArgs(), expected)))
    return failure();
  int64_t m = getM(), n = getN(), k = getK();
  if (failed(verifyMatrix(*this, 0, m, k, getAStrides(), dtype)) ||
      failed(verifyMatrix(*this, 1, k, n, getBStrides(), dtype)) ||
      failed(verifyMatrix(*this, 2, m, n, getCStrides(), cDtype)))
    return failure();
  size_t next = 3;
  if (getBias() && failed(verifyBytes(*this, getArgs(), next++, n, dtype)))
    return failure();
  if (getResidual())
    return verifyMatrix(*this, next, m, n, getCStrides(), cDtype);
  return success();
}
