//===- SignatureParameters.cpp - Parameters by the dynamo exporter --------===//
//
// The graph's signature has a line for each parameter, and the record of a
// node tells the call it came from with the placeholders that call read. An
// operand that is an initializer is matched to an argument by its role in the
// call, never by contents or count.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/CallRoles.h"
#include "dialects/Onnx/Import/ComputedParameters.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
class SignatureRecovery {
public:
  SignatureRecovery(const Graph &graph, TensorData &data, Location loc,
                    ParameterTable &table)
      : graph(graph), data(data), loc(loc), table(table) {}
  LogicalResult run();

private:
  /// An operand that is a weight; the lines are those that its name and its
  /// record of folding lead to, or null.
  struct Operand {
    const Node &node;
    unsigned index;
    const TensorRecord &record;
    const SignatureLine *ownLine, *foldedLine;
  };

  void readSignature();
  LogicalResult assign(const Node &node, unsigned operand,
                       const CallRecord &call);
  LogicalResult bind(const Node &node, unsigned operand,
                     const SignatureLine &line, const TensorRecord &record,
                     bool transposed, bool isScale);
  const SignatureLine *foldedParameter(const TensorRecord &record);
  LogicalResult assignByRole(const Operand &operand, const CallRecord &call,
                             const Argument &argument);
  LogicalResult assignWithoutRole(const Operand &operand,
                                  const CallRecord &call);
  void suspect(const Operand &operand, const CallRecord &call,
               std::optional<int> argument);
  void findMerged();
  LogicalResult bindTransposes();
  void restoreBias(const CallRecord &call, ArrayRef<const Node *> nodes);
  LogicalResult accountForAll();
  bool isAlias(const SignatureLine &line);
  size_t declare(const SignatureLine &line);
  const SignatureLine *parameterLine(StringRef placeholder) {
    auto it = byPlaceholder.find(placeholder);
    return it == byPlaceholder.end() ? nullptr : &lines[it->second];
  }

  const Graph &graph;
  TensorData &data;
  Location loc;
  ParameterTable &table;
  std::vector<SignatureLine> lines;
  /// Lines of parameters.
  llvm::StringMap<size_t> byPlaceholder, byTarget;
  llvm::StringSet<> bufferTargets;
  std::optional<FoldedValues> folded;
  /// Index in the table of each declared placeholder.
  llvm::StringMap<size_t> declared;
  struct Reader {
    std::string scope;
    size_t parameter;
  };
  std::vector<Reader> readers;
  std::vector<Computed> computed;
  /// Constants, unless their initializer proves to be that of a parameter.
  std::vector<Computed> suspects;
};
} // namespace

void SignatureRecovery::readSignature() {
  lines = parseSignature(
      graph.metadata.find("pkg.torch.export.ExportedProgram.graph_signature")
          ->second);
  for (auto [i, line] : llvm::enumerate(lines)) {
    if (line.kind == "PARAMETER") {
      byPlaceholder[line.placeholder] = i;
      byTarget[line.target] = i;
    } else if (line.kind == "BUFFER") {
      bufferTargets.insert(line.target);
    }
  }
  folded.emplace(graph, lines);
}

size_t SignatureRecovery::declare(const SignatureLine &line) {
  auto [it, isNew] =
      declared.try_emplace(line.placeholder, table.parameters.size());
  if (isNew) {
    Parameter parameter;
    parameter.name = line.target;
    parameter.order = &line - lines.data();
    table.parameters.push_back(std::move(parameter));
  }
  return it->second;
}

LogicalResult SignatureRecovery::bind(const Node &node, unsigned operand,
                                      const SignatureLine &line,
                                      const TensorRecord &record,
                                      bool transposed, bool isScale) {
  SmallVector<int64_t> shape = record.dims;
  if (transposed && shape.size() != 2)
    return mlir::emitError(loc)
           << "node '" << node.name << "' reads parameter '" << line.target
           << "' as a transposed matrix, but its initializer '" << record.name
           << "' has rank " << shape.size()
           << ": export with optimize=False, which keeps parameters as they "
              "are";
  if (transposed)
    std::swap(shape[0], shape[1]);
  size_t index = declare(line);
  Parameter &parameter = table.parameters[index];
  if (!parameter.source) {
    parameter.shape = shape;
    parameter.source = &record;
    parameter.transposed = transposed;
  } else if (parameter.shape != shape) {
    return mlir::emitError(loc)
           << "node '" << node.name << "' reads parameter '" << line.target
           << "' in another shape than other nodes do: export with "
              "optimize=False, which keeps parameters as they are";
  } else if (parameter.transposed && !transposed) {
    // The copy in PyTorch's own layout is the better source.
    parameter.source = &record;
    parameter.transposed = false;
  }
  parameter.isScale |= isScale;
  table.use(node, operand, index, transposed);
  readers.push_back({scopeOf(node), index});
  return success();
}

/// A parameter that an initializer was computed from, or null.
const SignatureLine *
SignatureRecovery::foldedParameter(const TensorRecord &record) {
  auto value = graph.values.find(record.name);
  if (value == graph.values.end() || byTarget.count(record.name))
    return nullptr;
  for (const std::string &name : value->second.foldedFrom)
    if (auto line = byTarget.find(name); line != byTarget.end())
      return &lines[line->second];
  return nullptr;
}

/// What is not a transpose stays in `computed`.
LogicalResult SignatureRecovery::bindTransposes() {
  std::vector<Computed> others;
  for (const Computed &operand : computed) {
    FailureOr<bool> transposed = isTransposed(operand, graph, data, table);
    if (failed(transposed))
      return failure();
    if (!*transposed)
      others.push_back(operand);
    else if (failed(bind(*operand.node, operand.operand, *operand.parameter,
                         *operand.record, /*transposed=*/true,
                         /*isScale=*/false)))
      return failure();
  }
  computed = std::move(others);
  return success();
}

/// Notes an operand that is no parameter by its call: it may be a constant, or
/// a value that the exporter merged with a parameter of the same contents.
void SignatureRecovery::suspect(const Operand &operand, const CallRecord &call,
                                std::optional<int> argument) {
  std::optional<std::string> value =
      folded->standsFor(call, operand.record, argument);
  if (value)
    suspects.push_back({&operand.node, operand.index, &operand.record,
                        operand.ownLine, /*sameValue=*/false, /*merged=*/true,
                        *value});
}

/// Only now is it known which initializers are those of parameters.
void SignatureRecovery::findMerged() {
  llvm::DenseMap<const TensorRecord *, const SignatureLine *> sources;
  for (const Parameter &parameter : table.parameters)
    if (parameter.source)
      sources[parameter.source] = &lines[parameter.order];
  for (Computed &operand : suspects) {
    if (!operand.parameter)
      operand.parameter = sources.lookup(operand.record);
    if (operand.parameter)
      computed.push_back(operand);
  }
}

LogicalResult SignatureRecovery::assignByRole(const Operand &operand,
                                              const CallRecord &call,
                                              const Argument &argument) {
  const auto &[node, index, record, ownLine, foldedLine] = operand;
  if (!ownLine && record.dims.size() == 2 &&
      (node.opType == "MatMul" || node.opType == "Gemm") &&
      !bufferTargets.contains(record.name))
    // A matrix that the exporter computed, perhaps from a parameter (a head
    // written as x @ embedding.T): as a constant it would not be trained.
    return mlir::emitError(loc)
           << "node '" << node.name << "' multiplies by initializer '"
           << record.name
           << "', which the exporter computed ahead and which may come from a "
              "parameter: export with optimize=False, which keeps parameters "
              "as they are";
  suspect(operand, call, argument.index);
  return success();
}

/// The call must at least read the parameter of the initializer's name.
LogicalResult SignatureRecovery::assignWithoutRole(const Operand &operand,
                                                   const CallRecord &call) {
  const auto &[node, index, record, ownLine, foldedLine] = operand;
  bool reads = false, readsOther = false;
  for (const std::string &value : call.values()) {
    reads |= ownLine && value == ownLine->placeholder;
    readsOther |= parameterLine(value) != nullptr;
  }
  if (reads && folded->firstOf(call).empty())
    return bind(node, index, *ownLine, record, false, false);
  if (ownLine && !reads && readsOther)
    return mlir::emitError(loc)
           << "cannot tell which parameter node '" << node.name << "' ("
           << node.opType << " of call '" << call.target
           << "') reads through initializer '" << record.name
           << "': export with optimize=False, which keeps parameters apart";
  suspect(operand, call, std::nullopt);
  return success();
}

LogicalResult SignatureRecovery::assign(const Node &node, unsigned operand,
                                        const CallRecord &call) {
  auto it = table.weights.find(node.inputs[operand]);
  if (it == table.weights.end())
    return success();
  const TensorRecord &record = *it->second;
  auto own = byTarget.find(record.name);
  const SignatureLine *ownLine =
      own == byTarget.end() ? nullptr : &lines[own->second];
  if (!isFloatData(record.dataType) && !ownLine)
    return success();
  const SignatureLine *foldedLine = foldedParameter(record);
  if (!call.valid()) {
    if (ownLine)
      return bind(node, operand, *ownLine, record, false, false);
    if (foldedLine)
      computed.push_back({&node, operand, &record, foldedLine});
    return success();
  }
  Argument argument = argumentFor(call, node, operand);
  StringRef value = call.value(argument.index);
  const SignatureLine *line = parameterLine(value);
  bool transposed = argument.known && holdsTranspose(call, node, operand);
  if (line &&
      ((foldedLine && !transposed) || isScaledAddend(call, argument.index))) {
    computed.push_back({&node, operand, &record, line});
    return success();
  }
  if (line)
    return bind(node, operand, *line, record, transposed, argument.isScale);
  if (foldedLine) {
    computed.push_back(
        {&node, operand, &record, foldedLine, value == record.name});
    return success();
  }
  Operand weight = {node, operand, record, ownLine, foldedLine};
  return argument.known ? assignByRole(weight, call, argument)
                        : assignWithoutRole(weight, call);
}

/// The nodes of one call hold no operand for its bias: it was zero, and the
/// optimizer dropped it.
void SignatureRecovery::restoreBias(const CallRecord &call,
                                    ArrayRef<const Node *> nodes) {
  int argument = call.target == "linear"       ? 2
                 : call.target == "addmm"      ? 0
                 : call.target == "layer_norm" ? 3
                                               : -1;
  const SignatureLine *line = parameterLine(call.value(argument));
  if (!line)
    return;
  const Node *product = nullptr;
  for (const Node *node : nodes) {
    for (unsigned i = 0; i < node->inputs.size(); ++i) {
      auto use = table.uses.find({node, i});
      if (use != table.uses.end() &&
          table.parameters[use->second.parameter].name == line->target)
        return;
    }
    if (node->opType == "MatMul" || node->opType == "Gemm" ||
        node->opType == "LayerNormalization")
      product = node;
  }
  if (!product)
    return;
  size_t index = declare(*line);
  Parameter &bias = table.parameters[index];
  // Other, equal parameters may be read through the initializer of this name.
  if (const TensorRecord *record = graph.initializer(line->target);
      record && !bias.source) {
    bias.source = record;
    bias.shape = record->dims;
  }
  table.droppedBiases[product] = index;
  readers.push_back({scopeOf(*product), index});
}

/// Ties: the signature lists every name, the records only one of them. The
/// other is the name that the reading module would give it.
bool SignatureRecovery::isAlias(const SignatureLine &line) {
  auto [prefix, leaf] = splitName(line.target);
  for (const Reader &reader : readers) {
    Parameter &parameter = table.parameters[reader.parameter];
    auto [ownPrefix, ownLeaf] = splitName(parameter.name);
    if (reader.scope != prefix || prefix == ownPrefix || leaf != ownLeaf)
      continue;
    if (!llvm::is_contained(parameter.aliases, line.target))
      parameter.aliases.push_back(line.target);
    return true;
  }
  return false;
}

LogicalResult SignatureRecovery::accountForAll() {
  std::vector<StringRef> lost;
  for (auto [i, line] : llvm::enumerate(lines)) {
    const TensorRecord *record = graph.initializer(line.target);
    if (line.kind == "BUFFER" && line.persistent) {
      if (!record) {
        lost.push_back(line.target);
        continue;
      }
      Parameter buffer;
      buffer.name = line.target;
      buffer.shape = record->dims;
      buffer.source = record;
      buffer.buffer = true;
      buffer.order = i;
      table.parameters.push_back(std::move(buffer));
    }
    if (line.kind != "PARAMETER" || declared.count(line.placeholder))
      continue;
    if (record) {
      Parameter &parameter = table.parameters[declare(line)];
      parameter.shape = record->dims;
      parameter.source = record;
    } else if (!isAlias(line)) {
      lost.push_back(line.target);
    }
  }
  if (lost.empty())
    return success();
  auto diagnostic = mlir::emitError(loc);
  diagnostic << lost.size() << " parameters of the exported model are not in "
             << "the file, merged or folded away by the exporter:";
  for (auto [i, name] : llvm::enumerate(lost)) {
    if (i == 20) {
      diagnostic << " and " << lost.size() - 20 << " more";
      break;
    }
    diagnostic << (i ? ", '" : " '") << name << "'";
  }
  return diagnostic << ": export with optimize=False (and without "
                       "opset_version, should one be unused)";
}

LogicalResult SignatureRecovery::run() {
  readSignature();
  llvm::MapVector<StringRef, SmallVector<const Node *>> calls;
  for (const Node &node : graph.nodes) {
    CallRecord call = parseCall(node.fxNode);
    if (call.valid())
      calls[node.fxNode].push_back(&node);
    for (unsigned i = 0; i < node.inputs.size(); ++i)
      if (failed(assign(node, i, call)))
        return failure();
  }
  findMerged();
  if (failed(bindTransposes()))
    return failure();
  for (auto &[text, nodes] : calls)
    restoreBias(parseCall(text), nodes);
  if (failed(accountForAll()) || failed(refuseComputed(computed, loc)))
    return failure();
  // A tied parameter goes by the first of its names, as in PyTorch.
  for (Parameter &parameter : table.parameters)
    for (std::string &alias : parameter.aliases) {
      size_t place = byTarget[alias];
      if (place < parameter.order) {
        parameter.order = place;
        std::swap(alias, parameter.name);
      }
    }
  return success();
}

LogicalResult fsdp::onnx::recoverBySignature(const Graph &graph,
                                             TensorData &data, Location loc,
                                             ParameterTable &table) {
  return SignatureRecovery(graph, data, loc, table).run();
}
