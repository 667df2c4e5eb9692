//===- Settings.cpp - What the environment asks of the simulator ----------===//

#include "test/simcuda/Settings.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace simcuda;

void simcuda::report(const char *format, ...) {
  char line[1024];
  int used = std::snprintf(line, sizeof line, "simcuda: ");
  va_list arguments;
  va_start(arguments, format);
  int more = std::vsnprintf(line + used, sizeof line - used, format, arguments);
  va_end(arguments);
  size_t length = used + (more < 0 ? 0 : more);
  if (length > sizeof line - 2)
    length = sizeof line - 2;
  line[length++] = '\n';
  // One write: lines of several ranks do not mix.
  if (::write(STDERR_FILENO, line, length) < 0)
    return;
}

static void read(const char *name, int64_t &value, bool &valid) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return;
  char *end = nullptr;
  long long number = std::strtoll(text, &end, 10);
  if (*end == '\0') {
    value = number;
    return;
  }
  report("%s is '%s', a whole number was expected", name, text);
  valid = false;
}

static bool is(const char *name, const char *value) {
  const char *text = std::getenv(name);
  return text && std::strcmp(text, value) == 0;
}

Settings Settings::fromEnvironment() {
  Settings s;
  read("SIMCUDA_SEED", s.seed, s.valid);
  read("SIMCUDA_DEVICES", s.devices, s.valid);
  read("SIMCUDA_MEMORY", s.memory, s.valid);
  read("SIMCUDA_PINNED", s.pinned, s.valid);
  read("SIMCUDA_LIBRARY_MEMORY", s.libraryMemory, s.valid);
  read("SIMCUDA_ORDERS", s.orders, s.valid);
  read("SIMCUDA_DELAY", s.delay, s.valid);
  read("SIMCUDA_PRODUCT_TIME", s.productTime, s.valid);
  read("SIMCUDA_DRIVER_VERSION", s.driverVersion, s.valid);
  read("SIMCUDA_BLAS_VERSION", s.blasVersion, s.valid);
  read("SIMCUDA_NCCL_VERSION", s.ncclVersion, s.valid);
  read("SIMCUDA_FAIL_ALLOCATION", s.failAllocation, s.valid);
  read("SIMCUDA_FAIL_KERNEL", s.failKernel, s.valid);
  read("SIMCUDA_FAIL_CAPTURE", s.failCapture, s.valid);
  read("SIMCUDA_FAIL_COLLECTIVE", s.failCollective, s.valid);
  read("SIMCUDA_LOSE_COLLECTIVE", s.loseCollective, s.valid);
  read("SIMCUDA_FAIL_WINDOW", s.failWindow, s.valid);
  read("SIMCUDA_WRONG_KERNEL", s.wrongKernel, s.valid);
  read("SIMCUDA_WRONG_PRODUCT", s.wrongProduct, s.valid);
  read("SIMCUDA_ROUND_PRODUCT", s.roundProduct, s.valid);
  read("SIMCUDA_WRONG_COLLECTIVE", s.wrongCollective, s.valid);
  read("SIMCUDA_FAULT_RANK", s.faultRank, s.valid);
  s.uninitialized = !is("SIMCUDA_UNINITIALIZED", "off");
  s.streamWrites = !is("SIMCUDA_STREAM_WRITES", "off");
  s.capturedWrites = !is("SIMCUDA_STREAM_WRITES", "uncaptured");
  return s;
}
