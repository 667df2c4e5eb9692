//===- ReportPage.h - The plan as a page ------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_REPORT_REPORTPAGE_H
#define FSDP_PASSES_REPORT_REPORTPAGE_H

#include "passes/Report/ReportData.h"

namespace fsdp {
struct ReportOptions {
  std::string path;     ///< the page to write
  std::string measured; ///< a trace to lay over the plan; "": none
  std::string cost;     ///< numbers in place of the target's (parseCostModel)
};

/// Writes report.html, with its style, its script and the plan's data inside:
/// it needs no other file and no network. It has its name when it is whole.
mlir::LogicalResult writeReport(mlir::ModuleOp module,
                                const ReportOptions &options);
} // namespace fsdp

#endif // FSDP_PASSES_REPORT_REPORTPAGE_H
