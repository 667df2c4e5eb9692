//===- Resident.h - Memory as the kernel sees it ----------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_RESIDENT_H
#define FSDPRT_TRAINER_RESIDENT_H

#include <cstdint>

namespace fsdprt {

/// VmHWM, the process' resident high-water mark in bytes; 0 if unknown.
int64_t residentHighWater();

/// Lowers the mark to what is resident now, where the kernel allows it, so that
/// growth after it is not hidden below an earlier peak.
void resetResidentHighWater();

} // namespace fsdprt

#endif // FSDPRT_TRAINER_RESIDENT_H
