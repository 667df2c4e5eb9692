//===- ScheduleRaces.h - Accesses that nothing orders -----------*- C++ -*-===//
#ifndef FSDP_PASSES_VERIFY_SCHEDULERACES_H
#define FSDP_PASSES_VERIFY_SCHEDULERACES_H

#include "passes/Verify/ScheduleOrder.h"

namespace fsdp::schedule {
/// A Rule::Race violation, if there is any. `order` has no cycle.
std::optional<Violation> findRace(const Schedule &schedule,
                                  const JointOrder &order);
} // namespace fsdp::schedule

#endif // FSDP_PASSES_VERIFY_SCHEDULERACES_H
