//===- Gemm.cpp - Matrix products as library calls ------------------------===//
#include "passes/Target/Gemm.h"

#include "runtime/abi/fsdprt.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Strides of dimension extents `shape`, dense row-major, padded on the left to
/// `rank` dimensions; extents of 1 get stride 0.
SmallVector<int64_t> broadcastStrides(ArrayRef<int64_t> shape, size_t rank) {
  SmallVector<int64_t> strides(rank, 0);
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[rank - shape.size() + i] = shape[i] == 1 ? 0 : stride;
    stride *= shape[i];
  }
  return strides;
}

/// Row and column stride of an operand's matrix, given whether it is
/// transposed.
std::pair<int64_t, int64_t> matrixStrides(RankedTensorType type, bool trans) {
  int64_t columns = type.getShape().back();
  return trans ? std::pair<int64_t, int64_t>(1, columns)
               : std::pair<int64_t, int64_t>(columns, 1);
}

/// Batch strides in elements: those of the leading dimensions.
SmallVector<int64_t> batchStrides(RankedTensorType type, size_t rank) {
  SmallVector<int64_t> strides = broadcastStrides(type.getShape(), rank + 2);
  strides.resize(rank);
  return strides;
}

/// Whether dimension `i` and the one after it are one dimension of a tensor
/// with these strides.
bool mergesWithNext(ArrayRef<int64_t> strides, ArrayRef<int64_t> extents,
                    size_t i) {
  return strides[i] == strides[i + 1] * extents[i + 1];
}

/// Drops extents of 1 and merges neighbours where all three operands allow it.
void simplifyBatch(GemmShape &gemm) {
  for (size_t i = 0; i < gemm.batch.size();) {
    SmallVector<int64_t> *strides[] = {&gemm.a, &gemm.b, &gemm.c};
    bool drop = gemm.batch[i] == 1;
    bool merge = !drop && i + 1 < gemm.batch.size() &&
                 llvm::all_of(strides, [&](auto *s) {
                   return mergesWithNext(*s, gemm.batch, i);
                 });
    if (!drop && !merge) {
      ++i;
      continue;
    }
    if (merge)
      gemm.batch[i + 1] *= gemm.batch[i];
    gemm.batch.erase(gemm.batch.begin() + i);
    for (auto *s : strides)
      s->erase(s->begin() + i);
    i = merge ? i : 0;
  }
}

/// A batch whose B is shared and whose rows of A and C follow each other is
/// more rows of one product.
void foldBatchIntoRows(GemmShape &gemm) {
  size_t last = gemm.batch.size();
  while (last > 0 && gemm.b[last - 1] == 0 &&
         gemm.a[last - 1] == gemm.m * gemm.a[last] &&
         gemm.c[last - 1] == gemm.m * gemm.c[last]) {
    --last;
    gemm.m *= gemm.batch[last];
    gemm.batch.erase(gemm.batch.begin() + last);
    for (auto *s : {&gemm.a, &gemm.b, &gemm.c})
      s->erase(s->begin() + last);
  }
}
} // namespace

void fsdp::simplify(GemmShape &gemm) {
  simplifyBatch(gemm);
  foldBatchIntoRows(gemm);
}

template <typename Op> static FailureOr<GemmShape> shapeOfProduct(Op op) {
  auto a = cast<RankedTensorType>(op.getLhs().getType());
  auto b = cast<RankedTensorType>(op.getRhs().getType());
  auto c = cast<RankedTensorType>(op.getY().getType());
  size_t rank = c.getRank() - 2;
  GemmShape gemm;
  gemm.m = c.getDimSize(rank);
  gemm.n = c.getDimSize(rank + 1);
  gemm.k = a.getDimSize(a.getRank() - (op.getTransA() ? 2 : 1));
  gemm.batch.assign(c.getShape().begin(), c.getShape().end() - 2);
  gemm.a = batchStrides(a, rank);
  gemm.b = batchStrides(b, rank);
  gemm.c = batchStrides(c, rank);
  auto append = [](SmallVector<int64_t> &to, std::pair<int64_t, int64_t> s) {
    to.append({s.first, s.second});
  };
  append(gemm.a, matrixStrides(a, op.getTransA()));
  append(gemm.b, matrixStrides(b, op.getTransB()));
  append(gemm.c, matrixStrides(c, false));
  simplify(gemm);
  if (gemm.batch.size() > FSDPRT_MAX_BATCH_DIMS)
    return op.emitOpError("has ")
           << gemm.batch.size()
           << " batch dimensions that do not merge, expected at most "
           << FSDPRT_MAX_BATCH_DIMS;
  return gemm;
}

FailureOr<GemmShape> fsdp::getGemmShape(onnx::MatMulOp op) {
  return shapeOfProduct(op);
}

FailureOr<GemmShape> fsdp::getGemmShape(train::LinearOp op) {
  return shapeOfProduct(op);
}
