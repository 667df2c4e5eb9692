//===- PeakSpeed.cpp - What a chip could do at best -----------------------===//

#include "trainer/PeakSpeed.h"

#include <algorithm>
#include <cctype>

using namespace fsdprt;

namespace {
struct Chip {
  const char *name;       // words of the driver's name
  double f32, tf32, half; // 10^12 a second
};
} // namespace

// Dense, at the boost clock, sums in f32: NVIDIA's data sheets of each product,
// halved where they only give the speed with sparsity; of GeForce and RTX the
// white papers of GA102, AD102 and GB202. The first that fits counts.
static const Chip chips[] = {
    {"A100", 19.5, 156, 312},
    {"A800", 19.5, 156, 312},
    {"A30", 10.3, 82.5, 165},
    {"A40", 37.4, 74.8, 149.7},
    {"A10", 31.2, 62.5, 125},
    {"H100 PCIe", 51.2, 378, 756},
    {"H100 NVL", 60, 417.5, 835},
    {"H100", 66.9, 494.7, 989.4},
    {"H800 PCIe", 51.2, 378, 756},
    {"H800", 66.9, 494.7, 989.4},
    {"H200 NVL", 60, 417.5, 835},
    {"H200", 66.9, 494.7, 989.4},
    {"GH200", 66.9, 494.7, 989.4},
    {"H20", 44, 74, 148},
    {"B200", 75, 1125, 2250},
    {"GB200", 80, 1250, 2500},
    {"L4", 30.3, 60, 121},
    {"L40S", 91.6, 183, 362},
    {"L40", 90.5, 90.5, 181},
    {"RTX A6000", 38.7, 77.4, 154.8},
    {"RTX 6000 Ada Generation", 91.1, 182.1, 364.2},
    {"GeForce RTX 3090", 35.6, 35.6, 71},
    {"GeForce RTX 4090 D", 73.5, 73.5, 147},
    {"GeForce RTX 4090", 82.6, 82.6, 165.2},
    {"GeForce RTX 5090 D", 104.8, 104.8, 209.5},
    {"GeForce RTX 5090", 104.8, 104.8, 209.5},
};

/// Whether `name` has `words` and neither is a part of a longer word: "L4" is
/// not in "NVIDIA L40S", nor "H200" in "NVIDIA GH200 480GB".
static bool hasWords(const std::string &name, const std::string &words) {
  auto ends = [&](size_t place) {
    return place >= name.size() ||
           !std::isalnum(static_cast<unsigned char>(name[place]));
  };
  for (size_t at = name.find(words); at != std::string::npos;
       at = name.find(words, at + 1))
    if ((at == 0 || ends(at - 1)) && ends(at + words.size()))
      return true;
  return false;
}

PeakSpeed PeakSpeed::ofTeraflops(double teraflops) {
  return {teraflops * 1e12, teraflops * 1e12, teraflops * 1e12};
}

std::optional<PeakSpeed> PeakSpeed::ofChip(const std::string &name) {
  for (const char *other : {"MIG", "Laptop", "Ti", "SUPER", "Max-Q"})
    if (hasWords(name, other))
      return std::nullopt;
  auto *chip =
      std::find_if(std::begin(chips), std::end(chips), [&](const Chip &known) {
        return hasWords(name, known.name);
      });
  if (chip == std::end(chips))
    return std::nullopt;
  return PeakSpeed{chip->f32 * 1e12, chip->tf32 * 1e12, chip->half * 1e12};
}
