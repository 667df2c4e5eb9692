//===- Affinity.cpp - Cores that this process may use ---------------------===//

#include "core/Affinity.h"

#include <algorithm>
#include <sched.h>
#include <thread>

using namespace fsdprt;

CpuMask fsdprt::ownCpus() {
  CpuMask cpus = {};
  if (::sched_getaffinity(0, cpus.size(),
                          reinterpret_cast<cpu_set_t *>(cpus.data())) != 0)
    cpus.fill(0);
  return cpus;
}

int fsdprt::countCpus(const CpuMask &cpus) {
  int count = 0;
  for (unsigned char byte : cpus)
    count += __builtin_popcount(byte);
  return count ? count : std::max(1, int(std::thread::hardware_concurrency()));
}
