//===- SignatureParameters.cpp - Parameters by the dynamo exporter --------===//
//
// The graph's signature has a line for each parameter, and the record of a
// node tells the call it came from with the placeholders that call read. An
// operand that is an initializer is matched to an argument by its role in the
// call, never by contents or count.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Import/Records.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
struct Role {
  const char *target, *opType;
  /// Operand of the node, -1 for any; argument of the call.
  int operand, argument;
  bool isScale = false;
};
const Role roles[] = {
    {"embedding", "Gather", 0, 0},
    {"linear", "MatMul", 1, 1},
    {"linear", "Gemm", 1, 1},
    {"linear", "Gemm", 2, 2},
    {"linear", "Transpose", 0, 1},
    {"linear", "Add", -1, 2},
    {"addmm", "MatMul", 0, 1},
    {"addmm", "MatMul", 1, 2},
    {"addmm", "Gemm", 0, 1},
    {"addmm", "Gemm", 1, 2},
    {"addmm", "Gemm", 2, 0},
    {"addmm", "Add", -1, 0},
    {"layer_norm", "LayerNormalization", 1, 2, true},
    {"layer_norm", "LayerNormalization", 2, 3},
    {"layer_norm", "Mul", -1, 2, true},
    {"layer_norm", "Add", -1, 3},
    {"native_layer_norm", "LayerNormalization", 1, 2, true},
    {"native_layer_norm", "LayerNormalization", 2, 3},
    {"rms_norm", "RMSNormalization", 1, 2, true},
    {"rms_norm", "Mul", -1, 2, true},
};
// Calls that are one node, operand by operand.
const char *const sameOrder[] = {"mul", "add",    "sub", "div",  "pow",
                                 "mm",  "matmul", "bmm", "where"};

struct Argument {
  /// Whether the table knows the operand's role.
  bool known = false;
  StringRef value;
  bool isScale = false;
};

Argument argumentFor(const CallRecord &call, const Node &node,
                     unsigned operand) {
  for (const Role &role : roles)
    if (call.target == role.target && node.opType == role.opType &&
        (role.operand < 0 || unsigned(role.operand) == operand))
      return {true, call.value(role.argument), role.isScale};
  // A fused norm keeps the record of its last multiplication.
  if (call.target == "mul" && node.opType == "RMSNormalization") {
    bool first = call.value(0).starts_with("p_");
    return {operand == 1, call.value(first ? 0 : 1), true};
  }
  if (llvm::is_contained(sameOrder, call.target))
    return {true, call.value(operand)};
  return {false, call.value(operand)};
}

/// Whether an operand in the role of a weight holds its transpose.
bool holdsTranspose(const CallRecord &call, const Node &node,
                    unsigned operand) {
  if (operand != 1)
    return false;
  auto transB = node.attributes.find("transB");
  bool gemmT = transB != node.attributes.end() && transB->second.i;
  if (call.target == "linear")
    return node.opType == "MatMul" || (node.opType == "Gemm" && !gemmT);
  return call.target == "addmm" && node.opType == "Gemm" && gemmT;
}

class SignatureRecovery {
public:
  SignatureRecovery(const Graph &graph, TensorData &data, Location loc,
                    ParameterTable &table)
      : graph(graph), data(data), loc(loc), table(table) {}
  LogicalResult run();

private:
  /// An operand whose initializer was computed from a parameter.
  struct Computed {
    const Node *node;
    unsigned operand;
    const TensorRecord *record;
    const SignatureLine *parameter;
    /// Whether the call reads the value that the initializer is named after.
    /// Equal initializers are one: it may be another.
    bool sameValue;
  };

  void readSignature();
  LogicalResult assign(const Node &node, unsigned operand,
                       const CallRecord &call);
  LogicalResult bind(const Node &node, unsigned operand,
                     const SignatureLine &line, const TensorRecord &record,
                     bool transposed, bool isScale);
  const SignatureLine *foldedParameter(const TensorRecord &record);
  FailureOr<bool> isTransposed(const Computed &operand);
  LogicalResult bindTransposes();
  LogicalResult refuseComputed();
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
  llvm::StringSet<> bufferTargets, placeholders;
  /// Index in the table of each declared placeholder.
  llvm::StringMap<size_t> declared;
  struct Reader {
    std::string scope;
    size_t parameter;
  };
  std::vector<Reader> readers;
  std::vector<Computed> computed;
};
} // namespace

void SignatureRecovery::readSignature() {
  lines = parseSignature(
      graph.metadata.find("pkg.torch.export.ExportedProgram.graph_signature")
          ->second);
  for (auto [i, line] : llvm::enumerate(lines)) {
    placeholders.insert(line.placeholder);
    if (line.kind == "PARAMETER") {
      byPlaceholder[line.placeholder] = i;
      byTarget[line.target] = i;
    } else if (line.kind == "BUFFER") {
      bufferTargets.insert(line.target);
    }
  }
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

/// A head written as x @ embedding.T: its transpose is an initializer of its
/// own, and the embedding still is one too. The names say what was computed
/// from what, and the data have to agree.
FailureOr<bool> SignatureRecovery::isTransposed(const Computed &operand) {
  static const char *const calls[] = {"permute", "transpose", "t", "numpy_t"};
  StringRef value = operand.record->name, call = value.rtrim("0123456789");
  if (call != value)
    call.consume_back("_");
  if (!operand.sameValue || !llvm::is_contained(calls, call) ||
      graph.values.find(value)->second.foldedFrom.size() != 1)
    return false;
  const TensorRecord *source = graph.initializer(operand.parameter->target);
  // Equal initializers are one: a name may stand for other parameters too.
  bool merged = llvm::any_of(table.parameters, [&](const Parameter &other) {
    return other.source == source && other.name != operand.parameter->target;
  });
  if (!source || merged)
    return false;
  return isTransposeOf(*operand.record, *source, data);
}

/// What is not a transpose stays in `computed`.
LogicalResult SignatureRecovery::bindTransposes() {
  std::vector<Computed> others;
  for (const Computed &operand : computed) {
    FailureOr<bool> transposed = isTransposed(operand);
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

LogicalResult SignatureRecovery::refuseComputed() {
  if (computed.empty())
    return success();
  const Computed &first = computed.front();
  return mlir::emitError(loc)
         << "node '" << first.node->name << "' reads initializer '"
         << first.record->name
         << "', which the exporter computed ahead, from parameter '"
         << first.parameter->target
         << "' or one equal to it: as a constant it would not be trained; "
            "export with "
            "optimize=False, which keeps parameters as they are";
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
      computed.push_back({&node, operand, &record, foldedLine, false});
    return success();
  }
  Argument argument = argumentFor(call, node, operand);
  if (const SignatureLine *line = parameterLine(argument.value))
    return bind(node, operand, *line, record,
                argument.known && holdsTranspose(call, node, operand),
                argument.isScale);
  if (foldedLine) {
    bool sameValue = argument.value == record.name;
    computed.push_back({&node, operand, &record, foldedLine, sameValue});
    return success();
  }
  if (argument.known && !ownLine && record.dims.size() == 2 &&
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
  // Equal initializers are one: what the call reads may be computed from this
  // parameter, or from another with the same contents (zeros, ones).
  if (argument.known && ownLine && !argument.value.empty() &&
      !placeholders.contains(argument.value) &&
      countElements(record.dims) != 1) {
    computed.push_back({&node, operand, &record, ownLine, false});
    return success();
  }
  if (argument.known || !ownLine)
    return success();
  // No role: the call must at least read the parameter of that name.
  bool reads = false, readsOther = false;
  for (int i = 0; i < int(call.args.size()); ++i) {
    reads |= call.value(i) == ownLine->placeholder;
    readsOther |= parameterLine(call.value(i)) != nullptr;
  }
  if (reads)
    return bind(node, operand, *ownLine, record, false, false);
  if (readsOther)
    return mlir::emitError(loc)
           << "cannot tell which parameter node '" << node.name << "' ("
           << node.opType << " of call '" << call.target
           << "') reads through initializer '" << record.name
           << "': export with optimize=False, which keeps parameters apart";
  return success();
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
  if (failed(bindTransposes()))
    return failure();
  for (auto &[text, nodes] : calls)
    restoreBias(parseCall(text), nodes);
  if (failed(accountForAll()) || failed(refuseComputed()))
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
