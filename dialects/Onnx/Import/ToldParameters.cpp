//===- ToldParameters.cpp - Parameters of other files ---------------------===//
//
// A file that PyTorch did not write has initializers, and nothing tells which
// of them are parameters. That is what the user says, or the standard's
// training information; names would be a guess.
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
  void declare(const Node &node, unsigned operand, const TensorRecord &record);
  LogicalResult ask();

  const Graph &graph;
  const ImportOptions &options;
  Location loc;
  ParameterTable &table;
  /// What nobody said anything of, as it would be guessed by names.
  std::vector<std::string> parameters, constants;
};

void note(std::vector<std::string> &names, const std::string &name) {
  if (!llvm::is_contained(names, name))
    names.push_back(name);
}
} // namespace

void ToldRecovery::declare(const Node &node, unsigned operand,
                           const TensorRecord &record) {
  std::optional<size_t> index = table.find(record.name);
  if (!index) {
    index = table.parameters.size();
    Parameter parameter;
    parameter.name = record.name;
    parameter.shape = record.dims;
    parameter.source = &record;
    parameter.order = *index;
    parameter.frozen = !graph.updated.empty() &&
                       !graph.updated.contains(record.name) &&
                       !matchesAny(record.name, options.paramPatterns) &&
                       !matchesAny(record.name, options.trainPatterns);
    table.parameters.push_back(std::move(parameter));
  }
  bool norm =
      node.opType == "LayerNormalization" || node.opType == "RMSNormalization";
  table.parameters[*index].isScale |= norm && operand == 1;
  table.use(node, operand, *index, /*transposed=*/false);
}

void ToldRecovery::take(const Node &node, unsigned operand,
                        const TensorRecord &record) {
  const std::string &name = record.name;
  bool trained = matchesAny(name, options.paramPatterns) ||
                 matchesAny(name, options.trainPatterns) ||
                 graph.updated.contains(name);
  if (trained)
    return declare(node, operand, record);
  if (!isFloatData(record.dataType) || isSetting(node, operand))
    return;
  bool frozen = matchesAny(name, options.freezePatterns);
  bool othersAreFrozen =
      !options.trainPatterns.empty() || !graph.updated.empty();
  bool scalar = countElements(record.dims) == 1;
  if (!frozen && !othersAreFrozen) {
    StringRef leaf = splitName(name).second;
    note(leaf == "weight" || leaf == "bias" ? parameters : constants, name);
  } else if (!scalar) {
    declare(node, operand, record);
  } else if (frozen) {
    // As a constant it folds into what reads it.
    note(table.constants, name);
  }
}

LogicalResult ToldRecovery::ask() {
  if (parameters.empty() && constants.empty())
    return success();
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
  return ask();
}

LogicalResult fsdp::onnx::recoverAsTold(const Graph &graph,
                                        const ImportOptions &options,
                                        Location loc, ParameterTable &table) {
  return ToldRecovery(graph, options, loc, table).run();
}
