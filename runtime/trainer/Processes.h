//===- Processes.h - Processes that this one has started --------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_PROCESSES_H
#define FSDPRT_TRAINER_PROCESSES_H

#include <sys/types.h>
#include <vector>

namespace fsdprt {

/// From here on, what a child of ours leaves behind becomes our child.
void adoptOrphans();

/// The children of this process: also what a shell that became it by exec had
/// started.
std::vector<pid_t> listChildren();

/// Kills and reaps the children of this process but `spared`, and what these
/// leave behind.
void killChildren(const std::vector<pid_t> &spared);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_PROCESSES_H
