//===- ReportPage.cpp - The plan as a page --------------------------------===//
#include "passes/Report/ReportPage.h"
#include "ReportParts.h"
#include "passes/Output/File.h"
#include "passes/Report/Measured.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace fsdp;
using llvm::json::Object;

/// JSON in an HTML script element: nothing in it may end the element.
static std::string embeddable(Object data) {
  std::string text, safe;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(data));
  for (char c : text)
    safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return safe;
}

/// The page's parts in the places that report.html names.
static void writePage(llvm::raw_ostream &os, const std::string &data) {
  const std::pair<StringRef, StringRef> parts[] = {
      {"{{style}}", kReportCss}, {"{{data}}", data}, {"{{script}}", kReportJs}};
  StringRef rest = kReportHtml;
  for (auto [place, part] : parts) {
    auto [before, after] = rest.split(place);
    os << before << part;
    rest = after;
  }
  os << rest;
}

LogicalResult fsdp::writeReport(ModuleOp module, const ReportOptions &options) {
  auto fail = [&](const llvm::Twine &message) {
    return emitError(UnknownLoc::get(module.getContext())) << message;
  };
  FailureOr<std::unique_ptr<Target>> target = getTarget(module);
  if (failed(target))
    return failure();
  std::string problem;
  FailureOr<CostModel> cost =
      parseCostModel(options.cost, (*target)->getCostModel(), problem);
  if (failed(cost))
    return fail(problem);
  FailureOr<Object> data = buildReportData(module, **target, *cost);
  if (failed(data))
    return failure();
  if (!options.measured.empty()) {
    FailureOr<Object> measured = readMeasured(options.measured, *data, problem);
    if (failed(measured))
      return fail(problem);
    (*data)["measured"] = std::move(*measured);
  }
  std::string text = embeddable(std::move(*data));
  if (std::error_code error = writeWholeFile(
          options.path, [&](llvm::raw_ostream &os) { writePage(os, text); }))
    return fail("cannot write the report '" + options.path +
                "': " + error.message());
  return success();
}
