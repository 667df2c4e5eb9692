//===- Settings.h - What the environment asks of the simulator --*- C++ -*-===//

#ifndef SIMCUDA_SETTINGS_H
#define SIMCUDA_SETTINGS_H

#include <cstdint>

namespace simcuda {

/// Each is the environment's SIMCUDA_ and the name in capitals; README.md says
/// what it does. Faults count from 1; 0 is never.
struct Settings {
  int64_t seed = 0;
  int64_t devices = 8;
  int64_t memory = int64_t(16) << 30;
  int64_t libraryMemory = 0;
  int64_t pinned = int64_t(16) << 30;
  bool uninitialized = true;
  int64_t orders = 1;
  int64_t delay = 0;       ///< milliseconds
  int64_t productTime = 0; ///< the same
  bool streamWrites = true, capturedWrites = true;

  int64_t driverVersion = 13000;
  int64_t blasVersion = 130101;
  int64_t ncclVersion = 22809;
  int64_t failAllocation = 0;
  int64_t failKernel = 0;
  int64_t failCapture = 0;
  int64_t failCollective = 0;
  int64_t loseCollective = 0;
  int64_t failWindow = 0;
  int64_t wrongKernel = 0;
  int64_t wrongProduct = 0;
  int64_t roundProduct = 0;
  int64_t wrongCollective = 0;
  int64_t faultRank = -1;

  /// False if a variable is not a number: said, and cuInit fails.
  bool valid = true;

  static Settings fromEnvironment();
};

/// One line on stderr that begins with "simcuda: ".
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

} // namespace simcuda

#endif // SIMCUDA_SETTINGS_H
