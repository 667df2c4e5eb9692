//===- Cases.h - The memory-bound kernels of GPT-2-124M ---------*- C++ -*-===//
#ifndef FSDP_TEST_BENCH_KERNELS_CASES_H
#define FSDP_TEST_BENCH_KERNELS_CASES_H

#include <string>
#include <vector>

namespace fsdp::bench {
/// A function whose kernels are timed together. Arguments are %0, %1, ...
struct Case {
  std::string name;
  std::vector<std::string> arguments; ///< their types, such as "4x256x768xf32"
  std::string body;                   ///< ops
  std::string results;                ///< "%y, %m : tensor<..>, tensor<..>"
  /// Integer arguments are uniform in [0, classes).
  int64_t classes = 1;
  /// Whether arguments die here, so that results may take over their buffers.
  bool inPlace = false;
  double low = -1, high = 1; ///< of float arguments
  bool isLarge = false;      ///< beyond any cache, and timed fewer times
  size_t bytes = 0;          ///< moved; 0: those of all arguments and results
};

std::vector<Case> cases();
} // namespace fsdp::bench

#endif // FSDP_TEST_BENCH_KERNELS_CASES_H
