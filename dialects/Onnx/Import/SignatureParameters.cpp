//===- SignatureParameters.cpp - Parameters by the dynamo exporter --------===//
//
// The graph's signature has a line for each parameter, and the record of a
// node tells the call it came from with the placeholders that call read. An
// operand that is an initializer is matched to an argument by its role in the
// call, never by contents or count.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/SignatureRecovery.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fsdp::onnx;

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
  readers.push_back({scopeOf(node), moduleClassOf(node), index});
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
  bool isItself = transposed || holdsCopy(call, node, operand);
  if (line &&
      ((foldedLine && !isItself) || isScaledAddend(call, argument.index))) {
    computed.push_back({&node, operand, &record, line});
    return success();
  }
  if (line)
    return bind(node, operand, *line, record, transposed, argument.isScale);
  if (foldedLine && argument.known &&
      folded->isIdentity(record, value, byTarget, transposed))
    return bind(node, operand, *foldedLine, record, transposed,
                argument.isScale);
  if (foldedLine) {
    computed.push_back(
        {&node, operand, &record, foldedLine, value == record.name});
    return success();
  }
  Operand weight = {node, operand, record, ownLine, foldedLine};
  return argument.known ? assignByRole(weight, call, argument)
                        : assignWithoutRole(weight, call);
}

/// What the optimizer did in branches and bodies, their records do not tell:
/// they name that graph's own values.
LogicalResult SignatureRecovery::checkBodies() {
  auto inner =
      llvm::find_if(graph.nodes, [](const Node &node) { return node.inBody; });
  if (!table.optimized || inner == graph.nodes.end())
    return success();
  return mlir::emitError(loc)
         << "node '" << inner->name
         << "' is in a branch or a loop, and the exporter's optimizer went "
            "over "
            "the model: which parameters such nodes read can only be told of "
            "an export with optimize=False";
}

LogicalResult SignatureRecovery::run() {
  readSignature();
  llvm::MapVector<StringRef, SmallVector<const Node *>> calls;
  for (const Node &node : graph.nodes) {
    // Records in a branch or a body name that graph's own values.
    CallRecord call = node.inBody ? CallRecord() : parseCall(node.fxNode);
    if (call.valid())
      calls[node.fxNode].push_back(&node);
    for (const std::string &value : call.values())
      readValues.insert(value);
    for (unsigned i = 0; i < node.inputs.size(); ++i)
      if (failed(assign(node, i, call)))
        return failure();
  }
  findMerged();
  if (failed(bindTransposes()))
    return failure();
  for (auto &[text, nodes] : calls)
    restoreBias(parseCall(text), nodes);
  accountForAll();
  if (failed(checkBodies()) ||
      failed(applyTies(graph, options, data, loc, table)) ||
      failed(accountForLost(options, loc, table)) ||
      failed(refuseComputed(computed, loc)))
    return failure();
  orderTies();
  return success();
}

LogicalResult fsdp::onnx::recoverBySignature(const Graph &graph,
                                             const ImportOptions &options,
                                             TensorData &data, Location loc,
                                             ParameterTable &table) {
  return SignatureRecovery(graph, options, data, loc, table).run();
}
