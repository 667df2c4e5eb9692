//===- ReportData.h - A planned program as the report's data ----*- C++ -*-===//
#ifndef FSDP_PASSES_REPORT_REPORTDATA_H
#define FSDP_PASSES_REPORT_REPORTDATA_H

#include "passes/Plan/CostModel.h"
#include "passes/Target/Target.h"
#include "llvm/Support/JSON.h"

namespace fsdp {
/// What plan.html shows of a module with phases, arenas and placed buffers:
///   world, mesh, model, cost: numbers of the cost model
///   arenas: [{name, bytes}], peak_bytes: their sum
///   kinds: names, the order of every `live` array
///   parameters: {trainable, trainable_elements, frozen, frozen_elements}
///   buffers: [{id, name, unit, kind, arena, offset, bytes, phase, first,
///     last}], last: the last dispatch at which its bytes are taken
///   phases: [{name, runs, gathered_bytes, reduced_bytes, seconds,
///     compute_seconds, comm_seconds, exposed_seconds, peak: {at, bytes},
///     dispatches: [{name, op, unit, scope, stream, bytes, waits, issued,
///     start, end}], live: [[bytes by kind] by dispatch]}], times in seconds
///   units: [{name, parameters, elements, line_bytes, shard_bytes,
///     optimizer_bytes}]
/// Bytes are a rank's. Fails with an error when the plan cannot be read.
mlir::FailureOr<llvm::json::Object> buildReportData(mlir::ModuleOp module,
                                                    const Target &target,
                                                    const CostModel &cost);
} // namespace fsdp

#endif // FSDP_PASSES_REPORT_REPORTDATA_H
