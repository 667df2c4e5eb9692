//===- FileLock.h - A file that one process writes --------------*- C++ -*-===//

#ifndef FSDPRT_CORE_FILELOCK_H
#define FSDPRT_CORE_FILELOCK_H

#include "core/Status.h"

namespace fsdprt {

/// Locks an open file until the process closes it (any descriptor of it) or
/// ends. A failure says which process has it, where the kernel knows: "process
/// 123 is writing it".
Status lockFile(int fd);

/// Whether lockFile would succeed now.
Status checkNotLocked(int fd);

} // namespace fsdprt

#endif // FSDPRT_CORE_FILELOCK_H
