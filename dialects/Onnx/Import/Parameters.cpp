//===- Parameters.cpp - The parameters of the exported model --------------===//
#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Glob.h"
#include "dialects/Onnx/Import/ProtoTypes.h"
#include "dialects/Onnx/Import/Records.h"
#include "dialects/Onnx/Import/StopGradients.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace fsdp::onnx;

static constexpr const char *signatureKey =
    "pkg.torch.export.ExportedProgram.graph_signature";

bool fsdp::onnx::matchesAny(StringRef name,
                            const std::vector<std::string> &patterns) {
  return llvm::any_of(patterns, [&](const std::string &pattern) {
    return fsdp::matchesGlob(pattern, name);
  });
}

/// The bytes of a tensor; nothing where its file is not there.
static FailureOr<std::optional<StringRef>> bytesOf(const TensorRecord &record,
                                                   TensorData &data) {
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

/// Each of the patterns has to match one of the names.
static LogicalResult checkPatterns(StringRef flag,
                                   ArrayRef<std::string> patterns,
                                   ArrayRef<std::string> names, StringRef what,
                                   Location loc) {
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
  for (const TensorRecord &record : graph.initializers)
    table.weights[record.name] = &record;
  for (const Node &node : graph.nodes) {
    if (node.opType != "Identity" || !node.domain.empty() ||
        node.inputs.size() != 1 || node.outputs.size() != 1 || isDetach(node))
      continue;
    auto it = table.weights.find(node.inputs[0]);
    if (it != table.weights.end())
      table.weights[node.outputs[0]] = it->second;
  }
  LogicalResult recovered =
      hasSignature(graph) ? recoverBySignature(graph, data, loc, table)
                          : recoverByNames(graph, options, data, loc, table);
  if (failed(recovered) ||
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

//===----------------------------------------------------------------------===//
// Declarations
//===----------------------------------------------------------------------===//

static DictionaryAttr initFor(const Parameter &parameter, OpBuilder &builder) {
  auto text = [&](StringRef key, StringRef value) {
    return builder.getNamedAttr(key, builder.getStringAttr(value));
  };
  auto real = [&](StringRef key, double value) {
    return builder.getNamedAttr(key, builder.getF64FloatAttr(value));
  };
  if (parameter.shape.size() >= 2)
    return builder.getDictionaryAttr(
        {text("kind", "normal"), real("mean", 0.0), real("std", 0.02)});
  // A vector called weight scales a norm, whatever ops the norm came as.
  StringRef leaf = splitName(parameter.name).second;
  bool isScale = parameter.isScale ||
                 (parameter.shape.size() == 1 &&
                  (leaf == "weight" || leaf == "gamma" || leaf == "scale"));
  return builder.getDictionaryAttr(
      {text("kind", "constant"), real("value", isScale ? 1.0 : 0.0)});
}

/// The `source` of a parameter whose bytes are in a file, with the size of that
/// file: by another one fsdp-run sees that it is not the same any more.
static DictionaryAttr fileSource(const Parameter &parameter, StringRef file,
                                 OpBuilder &builder) {
  SmallVector<NamedAttribute> entries = {
      builder.getNamedAttr("file", builder.getStringAttr(file)),
      builder.getNamedAttr(
          "offset", builder.getI64IntegerAttr(*parameter.source->offset)),
      builder.getNamedAttr("bytes",
                           builder.getI64IntegerAttr(parameter.source->bytes))};
  uint64_t size = 0;
  if (!llvm::sys::fs::file_size(file, size))
    entries.push_back(builder.getNamedAttr(
        "file_bytes", builder.getI64IntegerAttr(int64_t(size))));
  if (parameter.transposed)
    entries.push_back(
        builder.getNamedAttr("transposed", builder.getBoolAttr(true)));
  return builder.getDictionaryAttr(entries);
}

static LogicalResult setData(ParameterOp op, const Graph &graph,
                             const ImportOptions &options, TensorData &data,
                             const Parameter &parameter, OpBuilder &builder) {
  Location loc = op.getLoc();
  if (!parameter.source) {
    op.setSourceAttr(builder.getDictionaryAttr(
        builder.getNamedAttr("fill", builder.getF64FloatAttr(0.0))));
    return success();
  }
  const TensorRecord &record = *parameter.source;
  if (!record.external && record.offset) {
    op.setSourceAttr(fileSource(parameter, graph.absolutePath, builder));
    return success();
  }
  if (!record.external) {
    FailureOr<Tensor> tensor = data.load(record);
    if (failed(tensor))
      return failure();
    Tensor value = parameter.transposed ? transpose(*tensor, {1, 0}) : *tensor;
    op.setDataAttr(toAttribute(value));
    return success();
  }
  FailureOr<std::string> file = data.externalFile(record);
  if (failed(file))
    return failure();
  if (!file->empty()) {
    op.setSourceAttr(fileSource(parameter, *file, builder));
    return success();
  }
  StringRef location = record.location;
  op.setMissing(location);
  if (options.init && !parameter.buffer) {
    op.setInitAttr(initFor(parameter, builder));
    return success();
  }
  if (parameter.buffer)
    return mlir::emitError(loc)
           << "external data file '" << location << "' of buffer '"
           << parameter.name << "' is not there: buffers need their data";
  if (location.empty())
    return mlir::emitError(loc)
           << "parameter '" << parameter.name
           << "' is an input, without data: initialise such parameters with "
              "--init; fsdp-run --weights gives them";
  return mlir::emitError(loc)
         << "external data file '" << location << "' of parameter '"
         << parameter.name
         << "' is not there: initialise such parameters with --init; fsdp-run "
            "--weights gives them";
}

static LogicalResult checkFreezePatterns(const ParameterTable &table,
                                         const ImportOptions &options,
                                         Location loc) {
  std::vector<std::string> names;
  for (const Parameter &parameter : table.parameters) {
    names.push_back(parameter.name);
    llvm::append_range(names, parameter.aliases);
  }
  return checkPatterns("freeze", options.freezePatterns, names, "parameter",
                       loc);
}

LogicalResult fsdp::onnx::emitParameters(const Graph &graph,
                                         const ImportOptions &options,
                                         TensorData &data, OpBuilder &builder,
                                         Location loc,
                                         const ParameterTable &table) {
  if (failed(checkFreezePatterns(table, options, loc)))
    return failure();
  std::vector<const Parameter *> ordered;
  for (const Parameter &parameter : table.parameters)
    ordered.push_back(&parameter);
  llvm::sort(ordered, [](const Parameter *a, const Parameter *b) {
    return a->order < b->order;
  });
  llvm::StringSet<> names;
  for (const Parameter *parameter : ordered) {
    if (!names.insert(parameter->name).second)
      return mlir::emitError(loc)
             << "two parameters are called '" << parameter->name << "'";
    Type element =
        parameter->source
            ? elementTypeOf(parameter->source->dataType, builder.getContext())
            : builder.getF32Type();
    if (!element)
      return mlir::emitError(loc)
             << "'" << parameter->name << "' has an unsupported element type";
    auto named = NameLoc::get(builder.getStringAttr(parameter->name), loc);
    OperationState state(named, ParameterOp::getOperationName());
    auto type = RankedTensorType::get(parameter->shape, element);
    state.addAttribute("sym_name", builder.getStringAttr(parameter->name));
    state.addAttribute("type", TypeAttr::get(type));
    state.addAttribute("scope",
                       builder.getStringAttr(splitName(parameter->name).first));
    auto op = cast<ParameterOp>(builder.create(state));
    bool frozen = matchesAny(parameter->name, options.freezePatterns);
    if (!parameter->aliases.empty()) {
      SmallVector<StringRef> aliases(parameter->aliases.begin(),
                                     parameter->aliases.end());
      op.setAliasesAttr(builder.getStrArrayAttr(aliases));
      for (StringRef alias : aliases)
        frozen |= matchesAny(alias, options.freezePatterns);
    }
    op.setBuffer(parameter->buffer);
    op.setFrozen(frozen);
    if (failed(setData(op, graph, options, data, *parameter, builder)))
      return failure();
  }
  return success();
}
