//===- RandomSchedule.h - Small schedules and what breaks them --*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_VERIFY_RANDOMSCHEDULE_H
#define FSDP_TEST_PASSES_VERIFY_RANDOMSCHEDULE_H

#include "passes/Verify/ScheduleModel.h"

#include <random>
#include <string>

namespace fsdp::schedule {
/// Schedules of 2 ranks with up to 8 dispatches on 2 to 4 streams, or of 3
/// ranks, whose groups cross, with up to 6 on 2 or 3.
class RandomSchedule {
public:
  explicit RandomSchedule(uint64_t seed) : engine(seed) {}

  /// One that keeps all rules, with no event more than that takes.
  Schedule makeGood();
  /// Changes one to three things, on one rank or alike on all.
  void mutate(Schedule &schedule);

private:
  /// In [0, count); the same on every platform.
  size_t below(size_t count) { return engine() % count; }
  bool chance(size_t percent) { return below(100) < percent; }
  Touch makeTouch();
  Dispatch makeDispatch(size_t streams, size_t communicators);
  void dropEvent(std::vector<Dispatch> &program);
  void addEvent(std::vector<Dispatch> &program);
  void changeRange(std::vector<Dispatch> &program);
  void changeCollective(std::vector<Dispatch> &program);
  void changeStream(std::vector<Dispatch> &program);
  void moveDispatch(std::vector<Dispatch> &program);
  void mutate(std::vector<Dispatch> &program);
  void crossCollectives(Schedule &schedule);

  std::mt19937_64 engine;
};

std::string toString(const Schedule &schedule);
} // namespace fsdp::schedule

#endif // FSDP_TEST_PASSES_VERIFY_RANDOMSCHEDULE_H
