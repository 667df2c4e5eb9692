//===- Recorder.h - What a program really touched ---------------*- C++ -*-===//
//
// The runtime knows nothing of planned lifetimes. It records which bytes every
// operation says it reads or writes; the measured peak and the check of the
// memory plan come from these records alone.
//
// A phase is a straight line, so its operations are recorded when they are
// bound; what later runs issue in their place is recorded in addition.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CORE_RECORDER_H
#define FSDPRT_CORE_RECORDER_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fsdprt {

struct AccessRecord {
  int32_t arena;
  int32_t access; // FSDPRT_ACCESS_*
  int64_t offset, bytes, buffer;
};

/// One operation in a phase's issue order.
struct OperationRecord {
  std::string name, unit;
  int32_t stream = 0;
  int32_t event = -1;         // recorded at its end
  std::vector<int32_t> waits; // events of earlier operations
  std::vector<AccessRecord> accesses;
};

/// The issue order of one phase: one run, unless later runs differed.
struct PhaseRecord {
  std::string name;
  std::vector<OperationRecord> operations;
};

class Recorder {
public:
  explicit Recorder(size_t numArenas) : highest(numArenas, 0) {}

  /// The phase's number, in the order of their first runs.
  int beginPhase(const std::string &name);
  /// The argument ranges have been checked. `index` is the issue order.
  void record(int64_t index, const fsdprt_op &op);
  /// The runtime itself writes inputs and scalars and reads results.
  void recordHost(int32_t arena, int64_t offset, int64_t bytes);

  /// Sum over the arenas of the highest end of any access.
  int64_t peakBytes() const;
  const std::vector<PhaseRecord> &phases() const { return records; }

private:
  std::vector<int64_t> highest;
  std::vector<PhaseRecord> records;
  size_t current = 0;
};

/// Phases, operations, accesses.
std::string recordsAsJson(const Recorder &recorder);

} // namespace fsdprt

#endif // FSDPRT_CORE_RECORDER_H
