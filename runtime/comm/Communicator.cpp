//===- Communicator.cpp - Moving bytes between ranks ----------------------===//

#include "comm/Communicator.h"

#include <algorithm>
#include <ctime>

using namespace fsdprt;

void Communicator::idle(int attempt, std::chrono::microseconds longest) {
  long microseconds =
      std::min({500L, 20L << std::min(attempt, 8), long(longest.count())});
  struct timespec time = {0, microseconds * 1000};
  ::nanosleep(&time, nullptr);
}
