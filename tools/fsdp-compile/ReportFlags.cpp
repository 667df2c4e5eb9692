//===- ReportFlags.cpp - fsdp-compile's options of the report -------------===//
#include "ReportFlags.h"

#include "llvm/Support/CommandLine.h"

namespace cl = llvm::cl;
using namespace mlir;
using namespace fsdp;

cl::OptionCategory fsdp::outputOptions("Output");

namespace {
cl::opt<std::string> report("report",
                            cl::desc("Also write the plan as a page for the "
                                     "browser: memory, streams, units"),
                            cl::value_desc("plan.html"),
                            cl::cat(outputOptions));
cl::opt<std::string> measured("measured",
                              cl::desc("Trace (fsdp-run --trace) to lay over "
                                       "the plan in the report"),
                              cl::value_desc("trace.json"),
                              cl::cat(outputOptions));
cl::opt<std::string>
    costModel("cost-model",
              cl::desc("What the report predicts times from, in units a "
                       "second and seconds (default "
                       "gemm=1e11,gemm-bf16=4e11,memory=8e9,network=2e9,"
                       "latency=5e-5,launch=2e-6; for GPUs their data sheet's, "
                       "over one host's NVLink: network=5e10 is InfiniBand of "
                       "400 Gb/s)"),
              cl::value_desc("NAME=X,..."), cl::cat(outputOptions));
} // namespace

bool fsdp::asksForReport() { return !report.empty(); }

std::string fsdp::readReportOptions(ReportOptions &options) {
  if (report.empty() && measured.getNumOccurrences())
    return "--measured is for --report";
  if (report.empty() && costModel.getNumOccurrences())
    return "--cost-model is for --report";
  std::string problem;
  if (failed(parseCostModel(costModel, CostModel(), problem)))
    return "--cost-model: " + problem;
  options = {report, measured, costModel};
  return "";
}
