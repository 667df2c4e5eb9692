//===- Ranges.cpp - The two functions of NVTX that are called -------------===//
//
// With SIMCUDA_RANGES=FILE each range that begins is a line of it, with as many
// spaces before it as ranges are open.
//
//===----------------------------------------------------------------------===//

#include <cstdio>
#include <cstdlib>

static thread_local int depth = 0;

extern "C" int nvtxRangePushA(const char *name) {
  const char *path = std::getenv("SIMCUDA_RANGES");
  std::FILE *file = path ? std::fopen(path, "a") : nullptr;
  if (file) {
    std::fprintf(file, "%*s%s\n", depth, "", name);
    std::fclose(file);
  }
  return depth++;
}

extern "C" int nvtxRangePop() { return --depth; }
