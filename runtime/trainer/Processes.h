//===- Processes.h - Processes that this one has started --------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_PROCESSES_H
#define FSDPRT_TRAINER_PROCESSES_H

#include <sys/types.h>

namespace fsdprt {

/// From here on, what a child of ours leaves behind becomes our child.
void adoptOrphans();

/// Kills and reaps every child of this process, and what these leave behind.
void killChildren();

} // namespace fsdprt

#endif // FSDPRT_TRAINER_PROCESSES_H
