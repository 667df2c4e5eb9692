//===- GemmCheck.cpp - Whether a product's matrices fit -------------------===//

#include "device/GemmCheck.h"

#include "core/DType.h"

using namespace fsdprt;

/// Elements from the first to behind the last one that a matrix touches.
static int64_t extentOf(const fsdprt_gemm_desc &desc, const int64_t *strides,
                        int64_t rows, int64_t rowStride, int64_t columns,
                        int64_t columnStride) {
  int64_t last = (rows - 1) * rowStride + (columns - 1) * columnStride;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    last += (desc.batch[d] - 1) * strides[d];
  return last + 1;
}

int fsdprt::numGemmOperands(const fsdprt_gemm_desc &desc) {
  return 3 + bool(desc.adds & FSDPRT_GEMM_BIAS) +
         bool(desc.adds & FSDPRT_GEMM_RESIDUAL);
}

int64_t fsdprt::gemmScratchArgument(const fsdprt_gemm_desc &desc) {
  int place = numGemmOperands(desc);
  return desc.op.num_args > place ? desc.op.args[place].bytes : 0;
}

std::string fsdprt::shapeOfProduct(const fsdprt_gemm_desc &desc) {
  std::ostringstream text;
  for (int64_t d = 0; d < desc.num_batch_dims && d < FSDPRT_MAX_BATCH_DIMS; ++d)
    text << desc.batch[d] << " x ";
  const DTypeInfo *dtype = lookupDType(desc.dtype);
  text << "[" << desc.m << " x " << desc.k << "] [" << desc.k << " x " << desc.n
       << "] in " << (dtype ? dtype->name : "an unknown type");
  return text.str();
}

Status fsdprt::checkGemm(const fsdprt_gemm_desc &desc) {
  int needed = numGemmOperands(desc);
  if (desc.op.num_args != needed && desc.op.num_args != needed + 1)
    return failure("expected ", needed, " or ", needed + 1, " arguments, got ",
                   desc.op.num_args);
  if (desc.dtype != FSDPRT_F32 && desc.dtype != FSDPRT_BF16 &&
      desc.dtype != FSDPRT_F16)
    return failure("dtype number ", desc.dtype,
                   " has no library GEMM, expected f32, bf16 or f16");
  if (desc.c_dtype != desc.dtype && desc.c_dtype != FSDPRT_F32)
    return failure("dtype number ", desc.c_dtype,
                   " of the result: expected that of the operands, or f32");
  if (desc.num_batch_dims < 0 || desc.num_batch_dims > FSDPRT_MAX_BATCH_DIMS)
    return failure("expected at most ", FSDPRT_MAX_BATCH_DIMS,
                   " batch dimensions, got ", desc.num_batch_dims);
  if (desc.m <= 0 || desc.n <= 0 || desc.k <= 0)
    return failure("empty product ", desc.m, " x ", desc.n, " x ", desc.k);
  int64_t size = sizeOfDType(desc.dtype);
  const int64_t sizes[] = {size, size, sizeOfDType(desc.c_dtype)};
  const int64_t extents[] = {
      extentOf(desc, desc.a_batch_strides, desc.m, desc.a_row_stride, desc.k,
               desc.a_col_stride),
      extentOf(desc, desc.b_batch_strides, desc.k, desc.b_row_stride, desc.n,
               desc.b_col_stride),
      extentOf(desc, desc.c_batch_strides, desc.m, desc.c_row_stride, desc.n,
               1)};
  for (int i = 0; i < 3; ++i)
    if (desc.op.args[i].bytes < extents[i] * sizes[i])
      return failure("matrix ", "ABC"[i], " reaches over ",
                     extents[i] * sizes[i], " bytes, its argument has ",
                     desc.op.args[i].bytes);
  int place = 3;
  if (desc.adds & FSDPRT_GEMM_BIAS)
    if (int64_t bytes = desc.op.args[place++].bytes; bytes < desc.n * size)
      return failure("the bias takes ", desc.n * size,
                     " bytes, its argument has ", bytes);
  if (desc.adds & FSDPRT_GEMM_RESIDUAL)
    if (int64_t bytes = desc.op.args[place].bytes;
        bytes < extents[2] * sizes[2])
      return failure("the residual reaches over ", extents[2] * sizes[2],
                     " bytes, its argument has ", bytes);
  return Status();
}
