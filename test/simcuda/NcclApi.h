//===- NcclApi.h - What NCCL's functions share ------------------*- C++ -*-===//

#ifndef SIMCUDA_NCCLAPI_H
#define SIMCUDA_NCCLAPI_H

#include "test/simcuda/Communicator.h"

/// Definitions must agree with the declarations that the runtime calls by.
using namespace fsdprt::cuda;
extern "C" {
#define FSDPRT_NCCL_FUNCTION(NAME, RESULT, PARAMETERS) RESULT NAME PARAMETERS;
#include "runtime/cuda/NcclFunctions.def"
}

namespace simcuda {

/// Says what is wrong with the arguments of `call`.
ncclResult_t refuse(ncclResult_t result, const char *call,
                    const std::string &why);

/// Whether the thread is between ncclGroupStart and ncclGroupEnd.
bool isInGroup();

} // namespace simcuda

#endif // SIMCUDA_NCCLAPI_H
