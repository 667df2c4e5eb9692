//===- DriverTypes.h - What is used of the CUDA driver's API ----*- C++ -*-===//
//
// Our own declarations, so that the runtime builds without a CUDA toolkit.
// Names, values and layouts are those of NVIDIA's cuda.h; where that header is
// installed, test/cuda compares every one of them with it.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_DRIVERTYPES_H
#define FSDPRT_CUDA_DRIVERTYPES_H

#include <cstddef>
#include <cstdint>

/// One enumerator of a list of V(name, value).
#define FSDPRT_ENUMERATOR(NAME, VALUE) NAME = VALUE,

namespace fsdprt::cuda {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

struct CUuuid {
  char bytes[16];
};

// Results that are told apart or made here; others may come.
#define FSDPRT_CURESULT(V)                                                     \
  V(CUDA_SUCCESS, 0)                                                           \
  V(CUDA_ERROR_INVALID_VALUE, 1)                                               \
  V(CUDA_ERROR_OUT_OF_MEMORY, 2)                                               \
  V(CUDA_ERROR_NOT_INITIALIZED, 3)                                             \
  V(CUDA_ERROR_NO_DEVICE, 100)                                                 \
  V(CUDA_ERROR_INVALID_DEVICE, 101)                                            \
  V(CUDA_ERROR_INVALID_IMAGE, 200)                                             \
  V(CUDA_ERROR_INVALID_CONTEXT, 201)                                           \
  V(CUDA_ERROR_NO_BINARY_FOR_GPU, 209)                                         \
  V(CUDA_ERROR_INVALID_PTX, 218)                                               \
  V(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, 221)                                    \
  V(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)                                   \
  V(CUDA_ERROR_INVALID_HANDLE, 400)                                            \
  V(CUDA_ERROR_NOT_FOUND, 500)                                                 \
  V(CUDA_ERROR_NOT_READY, 600)                                                 \
  V(CUDA_ERROR_ILLEGAL_ADDRESS, 700)                                           \
  V(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701)                                   \
  V(CUDA_ERROR_LAUNCH_FAILED, 719)                                             \
  V(CUDA_ERROR_NOT_SUPPORTED, 801)                                             \
  V(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)                                \
  V(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901)                                \
  V(CUDA_ERROR_STREAM_CAPTURE_MERGE, 902)                                      \
  V(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903)                                  \
  V(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904)                                   \
  V(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905)                                  \
  V(CUDA_ERROR_CAPTURED_EVENT, 907)                                            \
  V(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, 908)                               \
  V(CUDA_ERROR_UNKNOWN, 999)
enum CUresult : unsigned { FSDPRT_CURESULT(FSDPRT_ENUMERATOR) };

#define FSDPRT_CUDEVICE_ATTRIBUTE(V)                                           \
  V(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1)                              \
  V(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 8)                        \
  V(CU_DEVICE_ATTRIBUTE_WARP_SIZE, 10)                                         \
  V(CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 13)                                        \
  V(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                              \
  V(CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 19)                               \
  V(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 33)                                        \
  V(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, 34)                                     \
  V(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 36)                                 \
  V(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 37)                           \
  V(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 41)                                \
  V(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, 50)                                     \
  V(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                          \
  V(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)
enum CUdevice_attribute : unsigned {
  FSDPRT_CUDEVICE_ATTRIBUTE(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUFUNCTION_ATTRIBUTE(V)                                         \
  V(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 0)                                \
  V(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 1)                                    \
  V(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, 3)                                     \
  V(CU_FUNC_ATTRIBUTE_NUM_REGS, 4)
enum CUfunction_attribute : unsigned {
  FSDPRT_CUFUNCTION_ATTRIBUTE(FSDPRT_ENUMERATOR)
};

#define FSDPRT_CUJIT_OPTION(V)                                                 \
  V(CU_JIT_ERROR_LOG_BUFFER, 5)                                                \
  V(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 6)
enum CUjit_option : unsigned { FSDPRT_CUJIT_OPTION(FSDPRT_ENUMERATOR) };

#define FSDPRT_CUSTREAMCAPTUREMODE(V)                                          \
  V(CU_STREAM_CAPTURE_MODE_GLOBAL, 0)                                          \
  V(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1)                                    \
  V(CU_STREAM_CAPTURE_MODE_RELAXED, 2)
enum CUstreamCaptureMode : unsigned {
  FSDPRT_CUSTREAMCAPTUREMODE(FSDPRT_ENUMERATOR)
};

// Flags, which calls take as plain numbers.
#define FSDPRT_CUDA_FLAGS(V)                                                   \
  V(CU_STREAM_NON_BLOCKING, 1)                                                 \
  V(CU_EVENT_DEFAULT, 0)                                                       \
  V(CU_EVENT_DISABLE_TIMING, 2)                                                \
  V(CU_MEMHOSTALLOC_PORTABLE, 1)                                               \
  V(CU_MEMHOSTALLOC_DEVICEMAP, 2)                                              \
  V(CU_STREAM_WAIT_VALUE_GEQ, 0)                                               \
  V(CU_STREAM_WAIT_VALUE_EQ, 1)                                                \
  V(CU_STREAM_WRITE_VALUE_DEFAULT, 0)
enum : unsigned { FSDPRT_CUDA_FLAGS(FSDPRT_ENUMERATOR) };

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_DRIVERTYPES_H
