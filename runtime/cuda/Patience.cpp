//===- Patience.cpp - How a rank waits for its GPU and for NCCL -----------===//

#include "cuda/Patience.h"

#include <algorithm>
#include <thread>

using namespace fsdprt;
using namespace fsdprt::cuda;

Status Patience::giveUp(const char *call) const {
  std::string where = call ? std::string(" in ") + call +
                                 ", whose attempts NCCL_DEBUG=INFO shows"
                           : "";
  SignalSafeText culprit;
  if (!flight || !describeCulprit(*flight, -1, true, culprit))
    culprit << "the GPU does not come to an end";
  return failure("no progress for ", timeoutSeconds, " s", where, ": ",
                 culprit.data(), "; see --timeout if it only takes this long");
}

bool Patience::hasChanged(Wait &wait) const {
  uint64_t others = flight ? flight->progressOfOthers(rank) : 0;
  bool changed = others != wait.progressOfOthers;
  wait.progressOfOthers = others;
  return (look && look()) || changed;
}

/// Between two looks: short at first, since a step may end any moment.
Status Patience::pause(Wait &wait, const char *call) {
  if (check)
    FSDPRT_RETURN_IF_ERROR(check());
  Clock::time_point now = Clock::now();
  if (hasChanged(wait))
    wait.lastChange = now;
  if (now - wait.lastChange > std::chrono::duration<double>(timeoutSeconds))
    return giveUp(call);
  constexpr int spins = 200;
  if (int over = wait.looks++ - spins; over >= 0)
    std::this_thread::sleep_for(
        std::chrono::microseconds(std::min(20 + over, 500)));
  return Status();
}
