//===- ScheduleSimulator.h - Every run of a small schedule ------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_VERIFY_SCHEDULESIMULATOR_H
#define FSDP_TEST_PASSES_VERIFY_SCHEDULESIMULATOR_H

#include "passes/Verify/ScheduleModel.h"

#include <map>

namespace fsdp::schedule {
/// What some run of a schedule comes to.
struct Outcome {
  bool badEvent = false;   ///< waits for an event that nobody has recorded
  bool twoStreams = false; ///< of one communicator on one rank
  bool mismatch = false;   ///< members meet in different collectives
  bool deadlock = false;   ///< something is left and nothing can go on
  /// By rank: pairs of dispatches that conflict and are in progress together,
  /// or run in one order here and in the other there.
  std::map<size_t, std::vector<std::pair<size_t, size_t>>> races;

  bool ok() const {
    return !badEvent && !twoStreams && !mismatch && !deadlock && races.empty();
  }
  bool hasRace(Place a, Place b) const;
};

/// Explores all interleavings of starts and ends, state by state. Nothing here
/// reasons about order: it is the oracle of ScheduleModel.h, for up to 12
/// streams over all ranks, 15 dispatches each.
Outcome simulate(const Schedule &schedule);
} // namespace fsdp::schedule

#endif // FSDP_TEST_PASSES_VERIFY_SCHEDULESIMULATOR_H
