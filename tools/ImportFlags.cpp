//===- ImportFlags.cpp - Command line of the import -----------------------===//
#include "tools/ImportFlags.h"
#include "passes/Support/Step.h"
#include "tools/Tool.h"

using namespace llvm;
using namespace fsdp;

ImportFlags::ImportFlags()
    : category("Import of ONNX models"),
      dims("dim",
           cl::desc("Extent of a symbolic dimension, by name (batch=4) "
                    "or by place (input_ids:0=4)"),
           cl::value_desc("name=extent"), cl::cat(category)),
      binds("bind",
            cl::desc("Fix an input to a constant fill "
                     "(attention_mask=1)"),
            cl::value_desc("input=value"), cl::cat(category)),
      params("param",
             cl::desc("Inputs or initializers that are parameters (pattern)"),
             cl::value_desc("pattern"), cl::cat(category)),
      freeze("freeze",
             cl::desc("Parameters that are not trained (default: none)"),
             cl::value_desc("pattern"), cl::cat(category)),
      train("train",
            cl::desc("Train only these parameters, the others are frozen "
                     "(default: all)"),
            cl::value_desc("pattern"), cl::cat(category)),
      ties("tie",
           cl::desc("Two names of one parameter, where the file does not say"),
           cl::value_desc("name=name"), cl::cat(category)),
      drops("drop-unused",
            cl::desc("Leave out parameters that nothing reads: saved files "
                     "lack them"),
            cl::value_desc("pattern"), cl::cat(category)),
      renames("rename",
              cl::desc("What the model calls a parameter that lost its name "
                       "(legacy exporter)"),
              cl::value_desc("name=name"), cl::cat(category)),
      paddings(
          "padding-idx",
          cl::desc("Row of an embedding's table that gets no gradient from it, "
                   "or none, where the file does not say (legacy exporter)"),
          cl::value_desc("name=row"), cl::cat(category)),
      stops("stop-gradient",
            cl::desc("Value (by its ONNX name) from which no gradient flows "
                     "back: torch.no_grad leaves no trace in an export"),
            cl::value_desc("value"), cl::cat(category)),
      untie("untie",
            cl::desc("Keep a head apart from an embedding with the same "
                     "contents"),
            cl::cat(category)),
      init("init",
           cl::desc("Initialise parameters whose external file is not there"),
           cl::cat(category)) {}

static bool parsePairs(StringRef flag, const cl::list<std::string> &given,
                       std::vector<std::pair<std::string, int64_t>> &pairs) {
  for (StringRef text : given) {
    auto [name, value] = text.rsplit('=');
    int64_t number;
    if (name.empty() || value.getAsInteger(10, number)) {
      printError("--" + flag + " '" + text +
                 "' is not of the form name=number");
      return false;
    }
    for (const auto &[earlier, other] : pairs)
      if (earlier == name && other != number) {
        printError("--" + flag + " '" + name + "' is given twice, as " +
                   Twine(other) + " and " + Twine(number) +
                   "; leave one of the two away");
        return false;
      }
    pairs.emplace_back(name.str(), number);
  }
  return true;
}

static bool
parseNames(StringRef flag, const cl::list<std::string> &given,
           std::vector<std::pair<std::string, std::string>> &pairs) {
  for (StringRef text : given) {
    auto [first, second] = text.split('=');
    if (first.empty() || second.empty() || first == second) {
      printError("--" + flag + " '" + text +
                 "' is not of the form name=other-name");
      return false;
    }
    pairs.emplace_back(first.str(), second.str());
  }
  return true;
}

/// "wte.weight=3" or "wte.weight=none".
static bool parsePaddings(const cl::list<std::string> &given,
                          onnx::ImportOptions &options) {
  for (StringRef text : given) {
    auto [name, value] = text.rsplit('=');
    int64_t row = 0;
    bool none = value == "none";
    if (name.empty() || (!none && (value.getAsInteger(10, row) || row < 0))) {
      printError("--padding-idx '" + text +
                 "' is not of the form name=row or name=none");
      return false;
    }
    options.paddingRows.emplace_back(
        name.str(), none ? std::nullopt : std::optional<int64_t>(row));
  }
  return true;
}

const cl::Option *ImportFlags::firstGiven() const {
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (option->getNumOccurrences() &&
        is_contained(option->Categories, &category))
      return option;
  return nullptr;
}

mlir::FailureOr<onnx::ImportOptions> ImportFlags::get() const {
  onnx::ImportOptions options;
  if (!parsePairs("dim", dims, options.dims) ||
      !parsePairs("bind", binds, options.binds) ||
      !parsePaddings(paddings, options) ||
      !parseNames("tie", ties, options.ties) ||
      !parseNames("rename", renames, options.renames))
    return mlir::failure();
  options.paramPatterns.assign(params.begin(), params.end());
  options.freezePatterns.assign(freeze.begin(), freeze.end());
  options.trainPatterns.assign(train.begin(), train.end());
  options.dropPatterns.assign(drops.begin(), drops.end());
  options.stopGradients.assign(stops.begin(), stops.end());
  options.isTaken = isProgramName;
  options.untie = untie;
  options.init = init;
  return options;
}
