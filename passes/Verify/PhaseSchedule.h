//===- PhaseSchedule.h - A phase on several ranks ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_VERIFY_PHASESCHEDULE_H
#define FSDP_PASSES_VERIFY_PHASESCHEDULE_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Verify/ScheduleModel.h"

#include "mlir/IR/BuiltinOps.h"

#include <map>

namespace fsdp {
/// The model of one phase, and whose dispatch is whose.
class PhaseSchedule {
public:
  /// All ranks run `phase`. Two coordinates of each axis stand for any number.
  /// Every argument lies in a declared buffer, every collective is by a
  /// declared communicator and on its stream.
  explicit PhaseSchedule(rt::PhaseOp phase);

  /// `phases[rank]` is what the rank runs, of programs with the same
  /// communicators, which span all ranks.
  explicit PhaseSchedule(llvm::ArrayRef<rt::PhaseOp> phases);

  /// Fails, with an error that has the rule's label, if there is a violation.
  mlir::LogicalResult verify() const;

private:
  void addRank(rt::PhaseOp phase);
  size_t groupOf(int64_t communicator, size_t rank) const;
  std::optional<schedule::Collective> collectiveOf(mlir::Operation *op,
                                                   size_t rank);
  mlir::Operation *opAt(schedule::Place place) const {
    return ops[place.rank][place.dispatch];
  }
  mlir::InFlightDiagnostic report(const schedule::Violation &found) const;
  mlir::InFlightDiagnostic reportOrder(const schedule::Violation &) const;
  mlir::InFlightDiagnostic reportCycle(const schedule::Violation &) const;
  mlir::InFlightDiagnostic reportRace(const schedule::Violation &) const;

  schedule::Schedule model;
  /// The model's communicator of (number, rank).
  std::map<std::pair<int64_t, size_t>, size_t> groups;
  std::vector<std::vector<mlir::Operation *>> ops; ///< by rank
};
} // namespace fsdp

#endif // FSDP_PASSES_VERIFY_PHASESCHEDULE_H
