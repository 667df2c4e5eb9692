//===- Parameters.cpp - The parameters of the exported model --------------===//
#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Glob.h"
#include "dialects/Onnx/Import/ProtoTypes.h"
#include "dialects/Onnx/Import/Records.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace fsdp::onnx;

static constexpr const char *signatureKey =
    "pkg.torch.export.ExportedProgram.graph_signature";

std::optional<size_t> ParameterTable::find(StringRef name) const {
  for (auto [i, parameter] : llvm::enumerate(parameters))
    if (parameter.name == name ||
        llvm::is_contained(parameter.aliases, name.str()))
      return i;
  return std::nullopt;
}

bool ParameterTable::isRead(size_t parameter) const {
  return llvm::any_of(uses,
                      [&](const auto &use) {
                        return use.second.parameter == parameter;
                      }) ||
         llvm::any_of(droppedBiases, [&](const auto &bias) {
           return bias.second.parameter == parameter;
         });
}

void ParameterTable::erase(size_t parameter, size_t replacement) {
  auto redirect = [&](size_t &index) {
    if (index == parameter)
      index = replacement;
    if (index > parameter)
      --index;
  };
  for (auto &use : uses)
    redirect(use.second.parameter);
  for (auto &bias : droppedBiases)
    redirect(bias.second.parameter);
  parameters.erase(parameters.begin() + parameter);
}

std::string fsdp::onnx::listNames(ArrayRef<std::string> names) {
  constexpr size_t shown = 20;
  std::string text;
  for (const std::string &name : names.take_front(shown))
    text += (text.empty() ? "'" : ", '") + name + "'";
  if (names.size() > shown)
    text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

bool fsdp::onnx::matchesAny(StringRef name,
                            const std::vector<std::string> &patterns) {
  return llvm::any_of(patterns, [&](const std::string &pattern) {
    return fsdp::matchesGlob(pattern, name);
  });
}

FailureOr<std::optional<StringRef>>
fsdp::onnx::bytesOf(const TensorRecord &record, TensorData &data) {
  if (record.external) {
    auto file = data.externalFile(record);
    if (failed(file))
      return failure();
    if (file->empty())
      return std::optional<StringRef>();
  }
  auto bytes = data.bytes(record);
  if (failed(bytes))
    return failure();
  return std::optional<StringRef>(*bytes);
}

FailureOr<bool> fsdp::onnx::isTransposeOf(const TensorRecord &a,
                                          const TensorRecord &b,
                                          TensorData &data) {
  if (a.dataType != b.dataType || a.dims.size() != 2 || b.dims.size() != 2 ||
      a.dims[0] != b.dims[1] || a.dims[1] != b.dims[0])
    return false;
  auto ours = bytesOf(a, data), theirs = bytesOf(b, data);
  if (failed(ours) || failed(theirs))
    return failure();
  if (!*ours || !*theirs)
    return false;
  int64_t rows = a.dims[0], cols = a.dims[1];
  int64_t width = rows * cols ? a.bytes / (rows * cols) : 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      if ((*ours)->substr((r * cols + c) * width, width) !=
          (*theirs)->substr((c * rows + r) * width, width))
        return false;
  return true;
}

LogicalResult fsdp::onnx::checkPatterns(StringRef flag,
                                        ArrayRef<std::string> patterns,
                                        ArrayRef<std::string> names,
                                        StringRef what, Location loc) {
  for (const std::string &pattern : patterns)
    if (llvm::none_of(names, [&](const std::string &name) {
          return fsdp::matchesGlob(pattern, name);
        }))
      return mlir::emitError(loc)
             << "--" << flag << " '" << pattern << "' matches no " << what
             << fsdp::suggestNames(pattern, names);
  return success();
}

bool fsdp::onnx::isFloatData(int32_t dataType) {
  return dataType == 1 || dataType == 10 || dataType == 11 || dataType == 16;
}

bool fsdp::onnx::isSetting(const Node &node, unsigned operand) {
  return operand > 0 && (node.opType == "Dropout" || node.opType == "Clip" ||
                         node.opType == "Pad" || node.opType == "Range");
}

/// A graph signature tells which initializers are parameters: there `--param`
/// is for inputs only.
static LogicalResult checkNamesInputs(const Graph &graph,
                                      const ImportOptions &options,
                                      Location loc) {
  if (!hasSignature(graph))
    return success();
  for (const std::string &pattern : options.paramPatterns)
    if (llvm::none_of(graph.inputs, [&](const ValueRecord &input) {
          return fsdp::matchesGlob(pattern, input.name);
        }))
      return mlir::emitError(loc)
             << "--param '" << pattern
             << "' matches no input: which initializers are parameters this "
                "file's graph signature tells, leave the option out";
  return success();
}

LogicalResult fsdp::onnx::declareInputParameters(Graph &graph,
                                                 const ImportOptions &options,
                                                 Location loc) {
  std::vector<std::string> names;
  for (const ValueRecord &input : graph.inputs)
    names.push_back(input.name);
  for (const TensorRecord &record : graph.initializers)
    names.push_back(record.name);
  // Of equal parameters the exporter keeps one, the others are its Identities.
  for (const Node &node : graph.nodes)
    if (node.opType == "Identity" && node.inputs.size() == 1 &&
        llvm::is_contained(names, node.inputs[0]))
      llvm::append_range(names, node.outputs);
  if (failed(checkPatterns("param", options.paramPatterns, names,
                           "input or initializer", loc)) ||
      failed(checkNamesInputs(graph, options, loc)))
    return failure();
  llvm::StringSet<> targets;
  auto signature = graph.metadata.find(signatureKey);
  if (signature != graph.metadata.end())
    for (const SignatureLine &line : parseSignature(signature->second))
      if (line.kind == "PARAMETER")
        targets.insert(line.target);
  std::vector<ValueRecord> kept;
  for (ValueRecord &input : graph.inputs) {
    if (!targets.contains(input.name) &&
        !matchesAny(input.name, options.paramPatterns)) {
      kept.push_back(std::move(input));
      continue;
    }
    TensorRecord record;
    record.name = input.name;
    record.dataType = input.dataType;
    record.external = true;
    if (!input.shape)
      return mlir::emitError(loc)
             << "parameter '" << input.name << "' is an input without a shape";
    for (const Dim &dim : *input.shape) {
      if (!dim.value)
        return mlir::emitError(loc)
               << "parameter '" << input.name
               << "' is an input with the symbolic dimension '" << dim.name
               << "', expected a static shape";
      record.dims.push_back(*dim.value);
    }
    graph.initializerIndex[record.name] = graph.initializers.size();
    graph.initializers.push_back(std::move(record));
  }
  graph.inputs = std::move(kept);
  return success();
}

bool fsdp::onnx::hasSignature(const Graph &graph) {
  return graph.metadata.count(signatureKey);
}

/// One error for all parameters that are not f32.
static LogicalResult checkElementTypes(const ParameterTable &table,
                                       Location loc) {
  std::vector<const Parameter *> others;
  for (const Parameter &parameter : table.parameters)
    if (!parameter.buffer && parameter.source &&
        isFloatData(parameter.source->dataType) &&
        parameter.source->dataType != 1)
      others.push_back(&parameter);
  if (others.empty())
    return success();
  auto diagnostic = mlir::emitError(loc);
  diagnostic << "expected parameters of type f32, found " << others.size()
             << " of other types:";
  constexpr size_t shown = 20;
  for (auto [i, parameter] : llvm::enumerate(others)) {
    if (i == shown) {
      diagnostic << " and " << others.size() - shown << " more";
      break;
    }
    diagnostic << (i ? ", '" : " '") << parameter->name << "' ("
               << llvm::StringRef(parameter->source->dataType == 16   ? "bf16"
                                  : parameter->source->dataType == 10 ? "f16"
                                                                      : "f64")
               << ")";
  }
  return diagnostic << ": load the model with dtype=torch.float32 before it is "
                       "exported";
}

LogicalResult fsdp::onnx::recoverParameters(const Graph &graph,
                                            const ImportOptions &options,
                                            TensorData &data, Location loc,
                                            ParameterTable &table) {
  bool isLegacy = !hasSignature(graph) && graph.producer == "pytorch";
  for (const TensorRecord &record : graph.initializers)
    table.weights[record.name] = &record;
  for (const Node &node : graph.nodes) {
    // PyTorch's legacy exporter keeps one of equal parameters and makes the
    // others its Identities. Elsewhere an Identity is computed (a clone, say).
    if (!isLegacy || node.opType != "Identity" || !node.domain.empty() ||
        node.inputs.size() != 1 || node.outputs.size() != 1)
      continue;
    auto it = table.weights.find(node.inputs[0]);
    if (it != table.weights.end())
      table.weights[node.outputs[0]] = it->second;
  }
  LogicalResult recovered =
      hasSignature(graph) ? recoverBySignature(graph, options, data, loc, table)
      : isLegacy          ? recoverByNames(graph, options, data, loc, table)
                          : recoverAsTold(graph, options, loc, table);
  if (succeeded(recovered) && !hasSignature(graph) &&
      (failed(applyTies(graph, options, data, loc, table)) ||
       failed(accountForLost(options, loc, table))))
    return failure();
  if (failed(recovered) || failed(applyRenames(graph, options, loc, table)) ||
      failed(findPaddingRows(graph, options, data, loc, table)))
    return failure();
  for (const Parameter &parameter : table.parameters)
    if (!parameter.buffer && parameter.source &&
        !isFloatData(parameter.source->dataType))
      return mlir::emitError(loc)
             << "parameter '" << parameter.name
             << "' has no floating element type: only floating tensors can be "
                "trained";
  return checkElementTypes(table, loc);
}
