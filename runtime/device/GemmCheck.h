//===- GemmCheck.h - Whether a product's matrices fit -----------*- C++ -*-===//
//
// What holds for a product on any device, whatever the library.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_DEVICE_GEMMCHECK_H
#define FSDPRT_DEVICE_GEMMCHECK_H

#include "abi/fsdprt.h"
#include "core/Status.h"

namespace fsdprt {

/// Arguments before the library's scratchpad.
int numGemmOperands(const fsdprt_gemm_desc &desc);

/// Bytes of the scratchpad among the arguments, 0 without one.
int64_t gemmScratchArgument(const fsdprt_gemm_desc &desc);

/// "12 x [128 x 64] [64 x 128] in bf16".
std::string shapeOfProduct(const fsdprt_gemm_desc &desc);

/// Checks that the matrices stay inside their arguments' bytes.
Status checkGemm(const fsdprt_gemm_desc &desc);

} // namespace fsdprt

#endif // FSDPRT_DEVICE_GEMMCHECK_H
