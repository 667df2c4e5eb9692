//===- Exceptions.h - What a library threw, as a status ---------*- C++ -*-===//

#ifndef FSDPRT_CORE_EXCEPTIONS_H
#define FSDPRT_CORE_EXCEPTIONS_H

#include "core/Status.h"

namespace fsdprt {

/// Of an allocation that was refused.
constexpr const char *outOfMemory =
    "out of memory: an allocation was refused; see ulimit -v and the memory "
    "limit of the cgroup";

/// In a catch clause: the exception that is handled, in our words. The
/// runtime throws none; the standard library does where memory or threads end.
Status describeException();

} // namespace fsdprt

#endif // FSDPRT_CORE_EXCEPTIONS_H
