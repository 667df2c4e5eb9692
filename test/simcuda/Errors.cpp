//===- Errors.cpp - What the driver calls its errors ----------------------===//

#include "test/simcuda/Api.h"

using namespace fsdprt::cuda;

SIMCUDA_API cuGetErrorName(CUresult error, const char **text) {
  *text = nullptr;
  switch (error) {
#define SIMCUDA_CASE(NAME, VALUE)                                              \
  case NAME:                                                                   \
    *text = #NAME;                                                             \
    return CUDA_SUCCESS;
    FSDPRT_CURESULT(SIMCUDA_CASE)
  }
  return CUDA_ERROR_INVALID_VALUE;
}

SIMCUDA_API cuGetErrorString(CUresult error, const char **text) {
  *text = nullptr;
  switch (error) {
  case CUDA_SUCCESS:
    *text = "no error";
    break;
  case CUDA_ERROR_INVALID_VALUE:
    *text = "invalid argument";
    break;
  case CUDA_ERROR_OUT_OF_MEMORY:
    *text = "out of memory";
    break;
  case CUDA_ERROR_NOT_INITIALIZED:
    *text = "initialization error";
    break;
  case CUDA_ERROR_NO_DEVICE:
    *text = "no CUDA-capable device is detected";
    break;
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
    *text = "no kernel image is available for execution on the device";
    break;
  case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    *text = "PTX JIT compiler library not found";
    break;
  case CUDA_ERROR_ILLEGAL_ADDRESS:
    *text = "an illegal memory access was encountered";
    break;
  case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
    *text = "operation not permitted when stream is capturing";
    break;
  case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
    *text = "operation failed due to a previous error during capture";
    break;
  case CUDA_ERROR_STREAM_CAPTURE_UNJOINED:
    *text = "capturing stream has unjoined work";
    break;
  default:
    return cuGetErrorName(error, text);
  }
  return CUDA_SUCCESS;
}
