//===- Affinity.h - Cores that this process may use -------------*- C++ -*-===//

#ifndef FSDPRT_CORE_AFFINITY_H
#define FSDPRT_CORE_AFFINITY_H

#include <array>

namespace fsdprt {

/// A bit a CPU of this host, of which there may be more than a cpu_set_t has.
using CpuMask = std::array<unsigned char, 8192>;

/// The CPUs that this process may run on; none if the system does not say.
CpuMask ownCpus();

/// How many of them; without any, as many as there are.
int countCpus(const CpuMask &cpus);

} // namespace fsdprt

#endif // FSDPRT_CORE_AFFINITY_H
