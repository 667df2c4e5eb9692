//===- Measured.h - A trace laid over the plan ------------------*- C++ -*-===//
#ifndef FSDP_PASSES_REPORT_MEASURED_H
#define FSDP_PASSES_REPORT_MEASURED_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace fsdp {
/// Reads a trace of `fsdp-run --trace` and lays it over `report`
/// (ReportData.h): for each phase that was traced
///   {phase: {step, steps, seconds, blocked,
///     dispatches: [[start, end] by dispatch],
///     waits: [[start, end, name, dispatch]],
///     ranks: [{rank, seconds, blocked}]}}
/// in seconds from the phase's start, of rank 0 and the step of median length;
/// `ranks` has each rank's mean over the steps. Fails, with what is wrong in
/// `problem`, if the file is no such trace or not one of this program.
mlir::FailureOr<llvm::json::Object>
readMeasured(llvm::StringRef path, const llvm::json::Object &report,
             std::string &problem);
} // namespace fsdp

#endif // FSDP_PASSES_REPORT_MEASURED_H
