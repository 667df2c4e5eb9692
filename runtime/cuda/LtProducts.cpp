//===- LtProducts.cpp - Products by cuBLASLt ------------------------------===//

#include "cuda/LtProducts.h"

#include "core/DType.h"
#include "device/GemmCheck.h"

using namespace fsdprt;
using namespace fsdprt::cuda;

Expected<std::unique_ptr<LtProducts>> LtProducts::create(int driverVersion) {
  Expected<BlasLt> library = BlasLt::load(driverVersion);
  if (!library.ok())
    return library.status();
  std::unique_ptr<LtProducts> products(new LtProducts(std::move(*library)));
  FSDPRT_LT(products->library, cublasLtCreate, &products->handle);
  return products;
}

LtProducts::~LtProducts() {
  products.clear();
  if (handle)
    library.cublasLtDestroy(handle);
}

/// Bytes that all matrices begin at multiples of; arenas do at 256.
static uint32_t alignmentOf(const fsdprt_gemm_desc &desc,
                            const LtProblem &problem) {
  uint64_t bits = 256;
  for (int32_t i = 0; i < desc.op.num_args; ++i)
    bits |= uint64_t(desc.op.args[i].offset);
  int64_t size = sizeOfDType(desc.dtype),
          resultSize = sizeOfDType(desc.c_dtype);
  for (const LtOffsets &call : problem.calls)
    bits |= uint64_t(call.a * size) | uint64_t(call.b * size) |
            uint64_t(call.c * resultSize);
  return uint32_t(bits & (~bits + 1));
}

/// All that the library's choice depends on.
static std::string nameOf(const fsdprt_gemm_desc &desc, int64_t workspaceBytes,
                          uint32_t alignment) {
  std::ostringstream name;
  name << lookupDType(desc.dtype)->name << " to "
       << lookupDType(desc.c_dtype)->name << ", " << desc.m << " x " << desc.n
       << " x " << desc.k << ", strides " << desc.a_row_stride << " "
       << desc.a_col_stride << ", " << desc.b_row_stride << " "
       << desc.b_col_stride << ", " << desc.c_row_stride;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    name << ", batch " << desc.batch[d] << " by " << desc.a_batch_strides[d]
         << " " << desc.b_batch_strides[d] << " " << desc.c_batch_strides[d];
  name << ", adds " << desc.adds << " " << desc.accumulate << ", precision "
       << desc.precision << ", workspace " << workspaceBytes << ", alignment "
       << alignment;
  return name.str();
}

Expected<const LtProduct *> LtProducts::find(const fsdprt_gemm_desc &desc) {
  Expected<LtProblem> problem = LtProblem::create(desc);
  if (!problem.ok())
    return problem.status();
  int64_t workspaceBytes = gemmScratchArgument(desc);
  uint32_t alignment = alignmentOf(desc, *problem);
  auto &product = products[nameOf(desc, workspaceBytes, alignment)];
  if (!product) {
    auto created = std::make_unique<LtProduct>(
        library, handle, desc, std::move(*problem), workspaceBytes, alignment);
    FSDPRT_RETURN_IF_ERROR(created->create());
    product = std::move(created);
  }
  return product.get();
}
