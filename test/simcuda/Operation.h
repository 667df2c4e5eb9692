//===- Operation.h - What streams hold --------------------------*- C++ -*-===//

#ifndef SIMCUDA_OPERATION_H
#define SIMCUDA_OPERATION_H

#include "runtime/cuda/DriverTypes.h"
#include "test/simcuda/Races.h"

#include <chrono>
#include <functional>

namespace simcuda {

using fsdprt::cuda::CUresult;

/// A task at work. Called until it does not answer CUDA_ERROR_NOT_READY, which
/// means that it waits for something that no operation of this device does: a
/// word that the host writes, another rank.
using Work = std::function<CUresult()>;

/// What a call asks for. Captured, it is begun at every launch of the graph.
struct Task {
  std::string name, unit;
  std::vector<Range> ranges;
  /// Whether `ranges` are all that it touches; what a kernel touches that was
  /// not announced is known when it has run.
  bool declared = true;
  /// Ends when the host says so: what comes after it may read what the host
  /// writes until then.
  bool waitsForHost = false;
  bool isCollective = false;
  /// Called when its turn comes, with the task as it was announced.
  std::function<Work(const Task &, const IdentityRef &)> begin;
};

struct Operation {
  std::shared_ptr<const Task> task;
  IdentityRef identity;
  std::vector<std::shared_ptr<Operation>> after; ///< none once it is done
  std::vector<Operation *> next;                 ///< whose `after` has it
  size_t blockers = 0;                           ///< of `after`, not done
  Work work;                                     ///< null until it has begun
  bool done = false;
  bool racing = false; ///< fails when its turn comes
  /// What it will read of pinned memory, and a sum of it when it was enqueued.
  std::vector<std::pair<Range, uint64_t>> hostReads;
  std::chrono::steady_clock::time_point finished;
};

using OperationRef = std::shared_ptr<Operation>;

} // namespace simcuda

#endif // SIMCUDA_OPERATION_H
