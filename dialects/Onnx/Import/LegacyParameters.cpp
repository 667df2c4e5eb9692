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
  FailureOr<bool> isTaken(StringRef name, const TensorRecord &record);
  std::string nameByBias(const Node &product, StringRef scope);
  std::string nameOfFolded(const Node &product, const TensorRecord &record);
  LogicalResult recover(bool generated);
  LogicalResult refuseUnknown();
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
  /// First components of names that the file kept, and paths of modules that
  /// hold other nodes than products.
  llvm::StringSet<> roots, busy;
  /// What may be a parameter or not, and what is one of a lost name.
  std::vector<std::string> unknown, unnamed;
};

void note(std::vector<std::string> &names, const std::string &name) {
  if (!llvm::is_contained(names, name))
    names.push_back(name);
}

/// Names that the exporter makes up, not the model.
bool isGenerated(StringRef name) {
  return name.starts_with("onnx::") || name.starts_with("/") ||
         name.find_first_not_of("0123456789") == StringRef::npos;
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

/// Whether `scope` is a later call of `module`, which the exporter numbers:
/// "h.0_1" is the second one of "h.0".
static bool isLaterCall(StringRef scope, StringRef module) {
  return scope.consume_front(module) && scope.consume_front("_") &&
         !scope.empty() &&
         scope.find_first_not_of("0123456789") == StringRef::npos;
}

/// A weight read in another module than its own has a second name there, as far
/// as the file tells: the user is told. A module that is shared is read under
/// its own name, whatever calls it.
void NameRecovery::addReaderAlias(const Node &node, Parameter &parameter) {
  if (node.opType != "MatMul" && node.opType != "Transpose" &&
      node.opType != "Gemm" && node.opType != "Gather")
    return;
  std::string scope = table.containers.resolve(scopeOf(node));
  auto [prefix, leaf] = splitName(parameter.name);
  // A module that uses its child's weight gives it no name of its own.
  if (options.untie || scope.empty() || leaf != "weight" || scope == prefix ||
      prefix.starts_with(scope + ".") || isLaterCall(scope, prefix) ||
      splitName(scope).second == splitName(prefix).second)
    return;
  std::string alias = scope + ".weight";
  if (llvm::is_contained(parameter.aliases, alias))
    return;
  parameter.aliases.push_back(alias);
  mlir::emitWarning(loc) << "module '" << scope << "' reads '" << parameter.name
                         << "', so '" << alias
                         << "' is taken as another name of it: --untie leaves "
                            "that name out";
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

/// The name that the bias added to a product tells of its weight:
/// "a.in_proj_weight" by "a.in_proj_bias". It kept its name, which is surer
/// than the node's path.
std::string NameRecovery::nameByBias(const Node &product, StringRef scope) {
  auto readers = product.outputs.empty() ? consumers.end()
                                         : consumers.find(product.outputs[0]);
  if (readers == consumers.end())
    return "";
  for (const Node *add : readers->second)
    for (StringRef name : add->inputs) {
      auto [prefix, leaf] = splitName(name);
      bool known = add->opType == "Add" && table.weights.count(name) &&
                   !isGenerated(name) &&
                   splitName(prefix).second == splitName(scope).second;
      if (known && (leaf == "bias" || leaf == "in_proj_bias"))
        return (name.drop_back(strlen("bias")) + "weight").str();
    }
  return "";
}

/// What the model calls the weight that folding left: as the user says, by the
/// bias beside it, or as the layer's whose path the node has. "" where that is
/// no proof: a module with more nodes than the product may read a weight of any
/// name, and a path leaves out containers in front (a ModuleDict).
std::string NameRecovery::nameOfFolded(const Node &product,
                                       const TensorRecord &record) {
  for (const auto &[from, to] : options.renames)
    if (from == record.name)
      return to;
  std::string path = scopeOf(product);
  std::string scope = table.containers.resolve(path);
  if (scope.empty())
    return "";
  if (std::string name = nameByBias(product, scope); !name.empty())
    return name;
  // By convention a model's own head stands beside its body.
  bool rooted = roots.contains(StringRef(scope).split('.').first) ||
                (StringRef(scope).ends_with("head") &&
                 llvm::any_of(graph.outputs, [&](const ValueRecord &output) {
                   return llvm::is_contained(product.outputs, output.name);
                 }));
  return rooted && !busy.contains(path) ? scope + ".weight" : "";
}

/// Whether a parameter of this name has other values. A layer that is called
/// twice may have been folded twice.
FailureOr<bool> NameRecovery::isTaken(StringRef name,
                                      const TensorRecord &record) {
  auto other = declared.find(name);
  if (other == declared.end())
    return false;
  Parameter same;
  same.source = &record;
  same.transposed = true;
  FailureOr<bool> equal =
      equalContents(table.parameters[other->second], same, data);
  if (failed(equal))
    return failure();
  return !*equal;
}

LogicalResult NameRecovery::bindFolded(const Node &node, unsigned operand,
                                       const TensorRecord &record) {
  if (node.opType != "MatMul" || operand != 1 || record.dims.size() != 2) {
    note(unknown, record.name);
    return success();
  }
  std::string name = nameOfFolded(node, record);
  if (name.empty()) {
    note(unnamed, record.name);
    return success();
  }
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
    FailureOr<bool> taken = isTaken(name, record);
    if (failed(taken))
      return failure();
    if (*taken) {
      note(unnamed, record.name);
      return success();
    }
    index = declare(name, record, /*transposed=*/true);
  }
  table.use(node, operand, index, /*transposed=*/true);
  folded[node.inputs[operand]] = {index, true};
  return success();
}

/// The file does not say which float tensors are buffers, which nothing trains.
LogicalResult NameRecovery::checkBuffers() {
  std::vector<std::string> names;
  for (const Parameter &parameter : table.parameters) {
    StringRef name = parameter.name, leaf = splitName(name).second;
    bool isSaid = !options.trainPatterns.empty() ||
                  matchesAny(name, options.paramPatterns) ||
                  matchesAny(name, options.freezePatterns) ||
                  llvm::any_of(options.renames, [&](const auto &rename) {
                    return rename.second == name;
                  });
    // A weight that folding transposed is in its layer's role.
    if (!isSaid && leaf != "weight" && leaf != "bias" && !parameter.transposed)
      names.push_back(parameter.name);
  }
  if (names.empty())
    return success();
  return mlir::emitError(loc)
         << "cannot tell whether " << listNames(names)
         << " are parameters or buffers, which this exporter does not write: "
            "--param those that are trained, --freeze the others, or export "
            "with dynamo=True, which writes it";
}

/// Binds the operands whose names are the model's, or those the exporter made.
LogicalResult NameRecovery::recover(bool generated) {
  for (const Node &node : graph.nodes)
    for (unsigned i = 0; i < node.inputs.size(); ++i) {
      const std::string &name = node.inputs[i];
      auto it = table.weights.find(name);
      if (it == table.weights.end() || isGenerated(name) != generated ||
          (node.opType == "Identity" && node.domain.empty()))
        continue;
      const TensorRecord &record = *it->second;
      bool wanted = matchesAny(name, options.paramPatterns);
      if (!wanted && (isBuffer(name, record) || isSetting(node, i)))
        continue;
      // Scalar constants are nodes: folding computed this one, from parameters
      // perhaps.
      if (!wanted && generated && countElements(record.dims) == 1) {
        note(matchesAny(name, options.freezePatterns) ? table.constants
                                                      : unknown,
             name);
        continue;
      }
      if (failed(generated && !wanted ? bindFolded(node, i, record)
                                      : bindNamed(node, i, record)))
        return failure();
    }
  return success();
}

LogicalResult NameRecovery::refuseUnknown() {
  if (!unknown.empty())
    return mlir::emitError(loc)
           << "cannot tell whether " << listNames(unknown)
           << " are parameters or constants: export with "
              "do_constant_folding=False, which keeps parameters as they are";
  if (!unnamed.empty())
    return mlir::emitError(loc)
           << "cannot tell what the model calls " << listNames(unnamed)
           << ", weights that constant folding transposed: --rename "
           << unnamed.front()
           << "=NAME says it, or export with do_constant_folding=False, which "
              "keeps names";
  return checkBuffers();
}

LogicalResult NameRecovery::run() {
  for (const Node &node : graph.nodes) {
    for (const std::string &input : node.inputs)
      consumers[input].push_back(&node);
    std::string path = node.opType == "MatMul" ? "" : scopeOf(node);
    for (; !path.empty(); path = splitName(path).first.str())
      busy.insert(path);
  }
  std::vector<std::string> names;
  for (const auto &entry : table.weights)
    if (!isGenerated(entry.first())) {
      names.push_back(entry.first().str());
      roots.insert(entry.first().split('.').first);
    }
  table.containers = ContainerPrefixes(graph, names);
  // Embeddings are declared before the heads that may be tied to them.
  if (failed(recover(/*generated=*/false)) ||
      failed(recover(/*generated=*/true)))
    return failure();
  // What nothing reads is kept: the model has it.
  for (auto &entry : table.weights) {
    StringRef name = entry.first();
    if (!isGenerated(name) && !consumers.count(name) &&
        isFloatData(entry.second->dataType))
      declare(name, *entry.second, false);
  }
  return refuseUnknown();
}

LogicalResult fsdp::onnx::recoverByNames(const Graph &graph,
                                         const ImportOptions &options,
                                         TensorData &data, Location loc,
                                         ParameterTable &table) {
  return NameRecovery(graph, options, data, loc, table).run();
}
