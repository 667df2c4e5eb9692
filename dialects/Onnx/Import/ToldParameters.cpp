//===- ToldParameters.cpp - Parameters of other files ---------------------===//
//
// A file that PyTorch did not write has initializers, and nothing tells which
// of them are parameters. That is what the user says, or the standard's
// training information; names would be a guess. Only where all of them have a
// parameter's name are they taken for what they seem to be, with a warning.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Parameters.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
class ToldRecovery {
public:
  ToldRecovery(const Graph &graph, const ImportOptions &options, Location loc,
               ParameterTable &table)
      : graph(graph), options(options), loc(loc), table(table) {}
  LogicalResult run();

private:
  void take(const Node &node, unsigned operand, const TensorRecord &record);
  void bind(const Node &node, unsigned operand, const TensorRecord &record);
  bool isTrained(StringRef name) const;
  size_t declare(const TensorRecord &record);
  bool areAllParameters() const;
  LogicalResult ask();

  const Graph &graph;
  const ImportOptions &options;
  Location loc;
  ParameterTable &table;
  /// What nobody said anything of, as it would be guessed by names.
  std::vector<std::string> parameters, constants;
  struct Use {
    const Node &node;
    unsigned operand;
    const TensorRecord &record;
  };
  std::vector<Use> untold;
};

void note(std::vector<std::string> &names, const std::string &name) {
  if (!llvm::is_contained(names, name))
    names.push_back(name);
}
} // namespace

bool ToldRecovery::isTrained(StringRef name) const {
  return matchesAny(name, options.paramPatterns) ||
         matchesAny(name, options.trainPatterns) ||
         graph.updated.contains(name);
}

size_t ToldRecovery::declare(const TensorRecord &record) {
  if (std::optional<size_t> index = table.find(record.name))
    return *index;
  Parameter parameter;
  parameter.name = record.name;
  parameter.shape = record.dims;
  parameter.source = &record;
  parameter.order = table.parameters.size();
  parameter.frozen = !graph.updated.empty() && !isTrained(record.name);
  table.parameters.push_back(std::move(parameter));
  return table.parameters.size() - 1;
}

void ToldRecovery::bind(const Node &node, unsigned operand,
                        const TensorRecord &record) {
  size_t index = declare(record);
  bool norm =
      node.opType == "LayerNormalization" || node.opType == "RMSNormalization";
  table.parameters[index].isScale |= norm && operand == 1;
  table.use(node, operand, index, /*transposed=*/false);
}

void ToldRecovery::take(const Node &node, unsigned operand,
                        const TensorRecord &record) {
  const std::string &name = record.name;
  // A pattern for all means all that can be trained.
  bool trainable = isFloatData(record.dataType) && !isSetting(node, operand);
  if (matchesAny(name, options.paramPatterns) || (trainable && isTrained(name)))
    return bind(node, operand, record);
  if (!trainable)
    return;
  bool frozen = matchesAny(name, options.freezePatterns);
  bool othersAreFrozen =
      !options.trainPatterns.empty() || !graph.updated.empty();
  bool scalar = countElements(record.dims) == 1;
  if (!frozen && !othersAreFrozen) {
    StringRef leaf = splitName(name).second;
    note(leaf == "weight" || leaf == "bias" ? parameters : constants, name);
    untold.push_back({node, operand, record});
  } else if (!scalar) {
    bind(node, operand, record);
  } else if (frozen) {
    // As a constant it folds into what reads it.
    note(table.constants, name);
  }
}

/// Whether nobody said anything, and nothing looks like a constant: a name of
/// its own, or one element, which exporters fold.
bool ToldRecovery::areAllParameters() const {
  return constants.empty() && options.paramPatterns.empty() &&
         options.freezePatterns.empty() &&
         llvm::all_of(untold, [](const Use &use) {
           return countElements(use.record.dims) != 1;
         });
}

LogicalResult ToldRecovery::ask() {
  if (untold.empty())
    return success();
  if (areAllParameters()) {
    mlir::emitWarning(loc)
        << "all initializers of numbers are taken for parameters, as their "
           "names say: "
        << listNames(parameters)
        << ": a file that PyTorch did not write (producer '" << graph.producer
        << "') does not tell them from constants; --train PATTERN or --freeze "
           "PATTERN says it";
    for (const Use &use : untold)
      bind(use.node, use.operand, use.record);
    return success();
  }
  auto diagnostic = mlir::emitError(loc)
                    << "cannot tell parameters from constants in a file that "
                       "PyTorch did not write (producer '"
                    << graph.producer << "'): by their names ";
  if (!parameters.empty())
    diagnostic << listNames(parameters) << " would be parameters"
               << (constants.empty() ? "" : " and ");
  if (!constants.empty())
    diagnostic << listNames(constants) << " constants";
  return diagnostic << ": say --train PATTERN for what is trained (all else "
                       "is kept as it is), or --param and --freeze for each";
}

LogicalResult ToldRecovery::run() {
  std::vector<std::string> names;
  for (const TensorRecord &record : graph.initializers)
    names.push_back(record.name);
  table.containers = ContainerPrefixes(graph, names);
  for (const Node &node : graph.nodes)
    for (unsigned i = 0; i < node.inputs.size(); ++i)
      if (auto it = table.weights.find(node.inputs[i]);
          it != table.weights.end())
        take(node, i, *it->second);
  // What nothing reads is kept, where it is a parameter.
  llvm::StringSet<> read;
  for (const Node &node : graph.nodes)
    for (const std::string &input : node.inputs)
      read.insert(input);
  for (const TensorRecord &record : graph.initializers)
    if (isFloatData(record.dataType) && isTrained(record.name) &&
        !read.contains(record.name))
      declare(record);
  return ask();
}

LogicalResult fsdp::onnx::recoverAsTold(const Graph &graph,
                                        const ImportOptions &options,
                                        Location loc, ParameterTable &table) {
  return ToldRecovery(graph, options, loc, table).run();
}
