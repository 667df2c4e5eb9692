//===- Machine.h - What this host leaves to its ranks -----------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_MACHINE_H
#define FSDPRT_TRAINER_MACHINE_H

#include "core/Manifest.h"
#include "core/Status.h"

#include <cstdint>
#include <optional>
#include <string>

namespace fsdprt {

/// A limit of the kernel, and where it comes from, for messages.
struct MemoryLimit {
  int64_t freeBytes = 0;
  std::string origin; // "MemAvailable", "the cgroup's limit of 4.0 GiB"
};

/// What can still be allocated on this host: the least of MemAvailable and of
/// what is left below the memory limit of the cgroup (v1 or v2) and of those
/// around it, files in its cache counted as free. None: the kernel does not
/// say. `root` stands for "/", for tests.
std::optional<MemoryLimit> freeMemory(const std::string &root = "");

/// Cores that the CPU quota of the cgroup (v1 or v2) and of those around it
/// allows, rounded up; none: no quota.
std::optional<int> coreQuota(const std::string &root = "");

/// Threads for each of `ranks` ranks that may together run on `cores` cores, of
/// which this one on `ownCores`: at least 1.
int threadsPerRank(int cores, int ownCores, int ranks,
                   std::optional<int> quota);

/// Cores that this thread may run on.
int ownCores();

/// Compares what `ranks` ranks of this host will take with what is free, before
/// any of it is taken: arenas are reserved, and would be missed in a step.
Status checkMemory(const Manifest &manifest, int ranks,
                   const std::optional<MemoryLimit> &limit);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_MACHINE_H
