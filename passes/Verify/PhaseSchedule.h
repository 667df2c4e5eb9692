//===- PhaseSchedule.h - A phase on several ranks, as a schedule -*- C++
//-*-===//
#ifndef FSDP_PASSES_VERIFY_PHASESCHEDULE_H
#define FSDP_PASSES_VERIFY_PHASESCHEDULE_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Verify/ScheduleModel.h"

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// The model of one phase, and whose dispatch is whose.
class PhaseSchedule {
public:
  /// `phases[rank]` is what the rank runs; the communicators span all ranks.
  /// Every argument lies in a declared buffer.
  explicit PhaseSchedule(llvm::ArrayRef<rt::PhaseOp> phases);

  /// Fails, with an error that has the rule's label, if there is a violation.
  mlir::LogicalResult verify() const;

private:
  void addRank(rt::PhaseOp phase);
  mlir::Operation *opAt(schedule::Place place) const {
    return ops[place.rank][place.dispatch];
  }
  mlir::InFlightDiagnostic report(const schedule::Violation &found) const;
  mlir::InFlightDiagnostic reportStream(const schedule::Violation &) const;
  mlir::InFlightDiagnostic reportOrder(const schedule::Violation &) const;
  mlir::InFlightDiagnostic reportCycle(const schedule::Violation &) const;
  mlir::InFlightDiagnostic reportRace(const schedule::Violation &) const;

  schedule::Schedule model;
  std::vector<std::vector<mlir::Operation *>> ops; ///< by rank
};
} // namespace fsdp

#endif // FSDP_PASSES_VERIFY_PHASESCHEDULE_H
