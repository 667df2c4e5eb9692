//===- ScheduleOrder.h - What has ended before a dispatch starts -*- C++
//-*-===//
#ifndef FSDP_PASSES_VERIFY_SCHEDULEORDER_H
#define FSDP_PASSES_VERIFY_SCHEDULEORDER_H

#include "passes/Verify/ScheduleModel.h"

namespace fsdp::schedule {
/// The joint order of all ranks' dispatches. The schedule must keep the rules
/// before Rule::Cycle.
class JointOrder {
public:
  explicit JointOrder(const Schedule &schedule);

  /// Dispatches that wait for each other, each for the next; empty if none do.
  std::vector<Place> findCycle() const;

  /// All dispatches, so that each stands behind those that start before it in
  /// every run. Only without a cycle, as is what follows.
  const std::vector<Place> &starts() const { return started; }

  /// Whether `a` has ended, in every run, before `b` starts.
  bool isBefore(Place a, Place b) const;

  size_t numStreams() const { return streams; }

private:
  // Each dispatch is two nodes, its start and its end.
  size_t startOf(Place place) const {
    return 2 * (firstOfRank[place.rank] + place.dispatch);
  }
  size_t endOf(Place place) const { return startOf(place) + 1; }
  Place placeOf(size_t node) const;
  /// `orders` unless the wait only blocks.
  void addWait(size_t node, size_t predecessor, bool orders = true);
  void addRank(size_t rank);
  void addCollectives();
  void sort();
  void advanceClock(size_t node);

  const Schedule &schedule;
  size_t streams = 0;
  std::vector<size_t> firstOfRank;
  struct Wait {
    size_t node;
    bool orders;
  };
  std::vector<std::vector<Wait>> waits; ///< of a node
  std::vector<char> done;               ///< nodes that can happen
  std::vector<Place> started;
  std::vector<size_t> numberInStream; ///< of a dispatch, from 1
  /// For each node and each stream of each rank, how many dispatches have
  /// ended there.
  std::vector<uint32_t> clocks;
};
} // namespace fsdp::schedule

#endif // FSDP_PASSES_VERIFY_SCHEDULEORDER_H
