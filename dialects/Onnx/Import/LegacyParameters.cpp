//===- LegacyParameters.cpp - Parameters by names -------------------------===//
//
// The legacy exporter leaves no records. It keeps a parameter under its own
// name, directly or behind an Identity where equal ones were merged; what
// constant folding transposed is called `onnx::MatMul_<n>`, and the node that
// reads it tells the module (`/model/layers.0/self_attn/q_proj/MatMul`).
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Import/Records.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
class NameRecovery {
public:
  NameRecovery(const Graph &graph, const ImportOptions &options,
               TensorData &data, Location loc, ParameterTable &table)
      : graph(graph), options(options), data(data), loc(loc), table(table) {}
  LogicalResult run();

private:
  bool feedsOnlyAngles(StringRef value, unsigned depth = 0);
  bool isBuffer(StringRef name, const TensorRecord &record);
  LogicalResult bindNamed(const Node &node, unsigned operand,
                          const TensorRecord &record);
  LogicalResult bindFolded(const Node &node, unsigned operand,
                           const TensorRecord &record);
  FailureOr<std::optional<size_t>> sameContents(const TensorRecord &record);
  void addReaderAlias(const Node &node, Parameter &parameter);
  std::string moduleOf(const Node &product);
  LogicalResult checkBuffers();
  size_t declare(StringRef name, const TensorRecord &record, bool transposed);

  const Graph &graph;
  const ImportOptions &options;
  TensorData &data;
  Location loc;
  ParameterTable &table;
  llvm::StringMap<size_t> declared;
  /// First use of each folded weight: it may be read again, which is a tie.
  llvm::StringMap<ParameterTable::Use> folded;
  llvm::StringMap<std::vector<const Node *>> consumers;
  std::vector<std::string> unknown;
};

/// Names that the exporter makes up, not the model.
bool isGenerated(StringRef name) {
  return name.starts_with("onnx::") || name.starts_with("/") ||
         name.find_first_not_of("0123456789") == StringRef::npos;
}
/// Operands that no model trains.
bool isSetting(const Node &node, unsigned operand) {
  return operand > 0 && (node.opType == "Dropout" || node.opType == "Clip" ||
                         node.opType == "Pad" || node.opType == "Range");
}
} // namespace

/// Whether every use of `value` ends in a sine or cosine of a chain that only
/// rearranges and scales: the frequencies of rotary embeddings.
bool NameRecovery::feedsOnlyAngles(StringRef value, unsigned depth) {
  static const char *const chain[] = {"Cast",    "Unsqueeze", "Expand",
                                      "Reshape", "MatMul",    "Mul",
                                      "Concat",  "Transpose", "Identity"};
  auto it = consumers.find(value);
  if (it == consumers.end() || depth > 16)
    return false;
  return llvm::all_of(it->second, [&](const Node *node) {
    if (node->opType == "Cos" || node->opType == "Sin")
      return true;
    return llvm::is_contained(chain, node->opType) && node->outputs.size() &&
           feedsOnlyAngles(node->outputs[0], depth + 1);
  });
}

bool NameRecovery::isBuffer(StringRef name, const TensorRecord &record) {
  StringRef leaf = splitName(name).second;
  return !isFloatData(record.dataType) || leaf == "inv_freq" ||
         leaf == "original_inv_freq" || leaf == "running_mean" ||
         leaf == "running_var" || feedsOnlyAngles(name);
}

size_t NameRecovery::declare(StringRef name, const TensorRecord &record,
                             bool transposed) {
  auto [it, isNew] = declared.try_emplace(name, table.parameters.size());
  if (isNew) {
    Parameter parameter;
    parameter.name = name.str();
    parameter.shape = record.dims;
    if (transposed)
      std::swap(parameter.shape[0], parameter.shape[1]);
    parameter.source = &record;
    parameter.transposed = transposed;
    parameter.order = table.parameters.size();
    table.parameters.push_back(std::move(parameter));
  }
  return it->second;
}

/// A weight read in another module than its own has a second name there.
void NameRecovery::addReaderAlias(const Node &node, Parameter &parameter) {
  if (node.opType != "MatMul" && node.opType != "Transpose" &&
      node.opType != "Gemm" && node.opType != "Gather")
    return;
  std::string scope = table.containers.resolve(scopeOf(node));
  auto [prefix, leaf] = splitName(parameter.name);
  // A module that uses its child's weight gives it no name of its own.
  if (scope.empty() || leaf != "weight" || scope == prefix ||
      prefix.starts_with(scope + "."))
    return;
  std::string alias = scope + ".weight";
  if (!llvm::is_contained(parameter.aliases, alias))
    parameter.aliases.push_back(alias);
}

LogicalResult NameRecovery::bindNamed(const Node &node, unsigned operand,
                                      const TensorRecord &record) {
  StringRef name = node.inputs[operand];
  size_t index = declare(name, record, /*transposed=*/false);
  Parameter &parameter = table.parameters[index];
  parameter.isScale |= (node.opType == "LayerNormalization" ||
                        node.opType == "RMSNormalization") &&
                       operand == 1;
  addReaderAlias(node, parameter);
  table.use(node, operand, index, false);
  return success();
}

/// A parameter whose transpose has the bytes of `record`: a head that shares
/// its weight with the embedding.
FailureOr<std::optional<size_t>>
NameRecovery::sameContents(const TensorRecord &record) {
  for (auto [i, parameter] : llvm::enumerate(table.parameters)) {
    if (parameter.transposed || !parameter.source)
      continue;
    FailureOr<bool> equal = isTransposeOf(record, *parameter.source, data);
    if (failed(equal))
      return failure();
    if (*equal)
      return std::optional<size_t>(i);
  }
  return std::optional<size_t>();
}

/// The module of a product. A bias that is added to it kept its name, which is
/// surer than the node's path.
std::string NameRecovery::moduleOf(const Node &product) {
  std::string scope = table.containers.resolve(scopeOf(product));
  auto readers = product.outputs.empty() ? consumers.end()
                                         : consumers.find(product.outputs[0]);
  if (readers == consumers.end())
    return scope;
  for (const Node *add : readers->second)
    for (const std::string &name : add->inputs) {
      auto [prefix, leaf] = splitName(name);
      if (add->opType == "Add" && table.weights.count(name) &&
          !isGenerated(name) && leaf == "bias" &&
          splitName(prefix).second == splitName(scope).second)
        return prefix.str();
    }
  return scope;
}

LogicalResult NameRecovery::bindFolded(const Node &node, unsigned operand,
                                       const TensorRecord &record) {
  std::string scope = moduleOf(node);
  if (node.opType != "MatMul" || operand != 1 || record.dims.size() != 2 ||
      scope.empty()) {
    unknown.push_back(record.name);
    return success();
  }
  std::string name = scope + ".weight";
  auto before = folded.find(node.inputs[operand]);
  if (before != folded.end()) {
    Parameter &parameter = table.parameters[before->second.parameter];
    if (parameter.name != name && !llvm::is_contained(parameter.aliases, name))
      parameter.aliases.push_back(name);
    table.uses[{&node, operand}] = before->second;
    return success();
  }
  FailureOr<std::optional<size_t>> tied = std::optional<size_t>();
  if (!options.untie)
    tied = sameContents(record);
  if (failed(tied))
    return failure();
  size_t index;
  if (*tied) {
    index = **tied;
    Parameter &parameter = table.parameters[index];
    parameter.aliases.push_back(name);
    mlir::emitWarning(loc)
        << "'" << name << "' has the contents of '" << parameter.name
        << "' and is taken as tied to it: --untie keeps them apart";
  } else {
    index = declare(name, record, /*transposed=*/true);
  }
  table.use(node, operand, index, /*transposed=*/true);
  folded[node.inputs[operand]] = {index, true};
  return success();
}

/// The file does not say which float tensors are buffers, which nothing trains.
LogicalResult NameRecovery::checkBuffers() {
  std::string names;
  for (const Parameter &parameter : table.parameters) {
    StringRef name = parameter.name, leaf = splitName(name).second;
    bool isSaid = matchesAny(name, options.paramPatterns) ||
                  matchesAny(name, options.freezePatterns);
    if (!isSaid && leaf != "weight" && leaf != "bias")
      names += (names.empty() ? "'" : ", '") + parameter.name + "'";
  }
  if (names.empty() || graph.producer != "pytorch")
    return success();
  return mlir::emitError(loc)
         << "cannot tell whether " << names
         << " are parameters or buffers, which this exporter does not write: "
            "--param those that are trained, --freeze the others, or export "
            "with dynamo=True, which writes it";
}

LogicalResult NameRecovery::run() {
  for (const Node &node : graph.nodes)
    for (const std::string &input : node.inputs)
      consumers[input].push_back(&node);
  std::vector<std::string> names;
  for (const auto &entry : table.weights)
    if (!isGenerated(entry.first()))
      names.push_back(entry.first().str());
  table.containers = ContainerPrefixes(graph, names);
  // Embeddings are declared before the heads that may be tied to them.
  for (bool generated : {false, true})
    for (const Node &node : graph.nodes)
      for (unsigned i = 0; i < node.inputs.size(); ++i) {
        auto it = table.weights.find(node.inputs[i]);
        if (it == table.weights.end() ||
            isGenerated(node.inputs[i]) != generated ||
            (node.opType == "Identity" && node.domain.empty()))
          continue;
        const TensorRecord &record = *it->second;
        bool wanted = matchesAny(node.inputs[i], options.paramPatterns);
        // PyTorch writes scalar constants as nodes, others as initializers.
        bool scalar = countElements(record.dims) == 1 &&
                      (generated || graph.producer != "pytorch");
        if (!wanted &&
            (isBuffer(node.inputs[i], record) || scalar || isSetting(node, i)))
          continue;
        if (failed(generated && !wanted ? bindFolded(node, i, record)
                                        : bindNamed(node, i, record)))
          return failure();
      }
  // What nothing reads is kept: the model has it.
  for (auto &entry : table.weights) {
    StringRef name = entry.first();
    if (!isGenerated(name) && !consumers.count(name) &&
        isFloatData(entry.second->dataType))
      declare(name, *entry.second, false);
  }
  if (unknown.empty())
    return checkBuffers();
  auto diagnostic = mlir::emitError(loc);
  diagnostic << "cannot tell whether";
  for (auto [i, name] : llvm::enumerate(unknown)) {
    if (i == 20) {
      diagnostic << " and " << unknown.size() - 20 << " more";
      break;
    }
    diagnostic << (i ? ", '" : " '") << name << "'";
  }
  return diagnostic << " are parameters or constants: export with "
                       "do_constant_folding=False, which keeps parameters as "
                       "they are";
}

LogicalResult fsdp::onnx::recoverByNames(const Graph &graph,
                                         const ImportOptions &options,
                                         TensorData &data, Location loc,
                                         ParameterTable &table) {
  return NameRecovery(graph, options, data, loc, table).run();
}
