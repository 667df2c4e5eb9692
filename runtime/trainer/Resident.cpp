//===- Resident.cpp - Memory as the kernel sees it ------------------------===//

#include "trainer/Resident.h"

#include <cstdlib>
#include <fstream>
#include <string>

int64_t fsdprt::residentHighWater() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, 6, "VmHWM:") == 0)
      return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

void fsdprt::resetResidentHighWater() {
  std::ofstream("/proc/self/clear_refs") << "5";
}
