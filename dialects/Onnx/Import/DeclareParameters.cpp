//===- DeclareParameters.cpp - Parameters as ops --------------------------===//
//
// One onnx.parameter each: where its bytes are, or how it is initialised, its
// names, and whether it is trained.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Import/ProtoTypes.h"
#include "runtime/abi/SampledSum.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace fsdp::onnx;

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
/// file and a sum of the bytes: by another one fsdp-run sees that it is not the
/// same any more.
static FailureOr<DictionaryAttr> fileSource(const Parameter &parameter,
                                            StringRef file, TensorData &data,
                                            OpBuilder &builder) {
  auto bytes = data.bytes(*parameter.source);
  if (failed(bytes))
    return failure();
  uint64_t sum = fsdprt::sampledSum(parameter.source->bytes,
                                    [&](int64_t at, int64_t count, char *to) {
                                      llvm::copy(bytes->substr(at, count), to);
                                    });
  SmallVector<NamedAttribute> entries = {
      builder.getNamedAttr("file", builder.getStringAttr(file)),
      builder.getNamedAttr(
          "offset", builder.getI64IntegerAttr(*parameter.source->offset)),
      builder.getNamedAttr("bytes",
                           builder.getI64IntegerAttr(parameter.source->bytes)),
      builder.getNamedAttr("sum", builder.getI64IntegerAttr(int64_t(sum)))};
  uint64_t size = 0;
  if (!llvm::sys::fs::file_size(file, size))
    entries.push_back(builder.getNamedAttr(
        "file_bytes", builder.getI64IntegerAttr(int64_t(size))));
  if (parameter.transposed)
    entries.push_back(
        builder.getNamedAttr("transposed", builder.getBoolAttr(true)));
  return builder.getDictionaryAttr(entries);
}

static LogicalResult setFile(ParameterOp op, const Parameter &parameter,
                             StringRef file, TensorData &data,
                             OpBuilder &builder) {
  auto source = fileSource(parameter, file, data, builder);
  if (failed(source))
    return failure();
  op.setSourceAttr(*source);
  return success();
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
  if (!record.external && record.offset)
    return setFile(op, parameter, graph.absolutePath, data, builder);
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
  if (!file->empty())
    return setFile(op, parameter, *file, data, builder);
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

static std::vector<std::string> namesOf(const Parameter &parameter) {
  std::vector<std::string> names = {parameter.name};
  llvm::append_range(names, parameter.aliases);
  return names;
}

/// Whether one of the patterns matches one of a parameter's names.
static bool isMatched(const Parameter &parameter,
                      const std::vector<std::string> &patterns) {
  return llvm::any_of(namesOf(parameter), [&](const std::string &name) {
    return matchesAny(name, patterns);
  });
}

static LogicalResult checkTrained(const ParameterTable &table,
                                  const ImportOptions &options, Location loc) {
  std::vector<std::string> all = table.constants, trainable;
  for (const Parameter &parameter : table.parameters) {
    llvm::append_range(all, namesOf(parameter));
    if (!parameter.buffer)
      llvm::append_range(trainable, namesOf(parameter));
    if (isMatched(parameter, options.freezePatterns) &&
        isMatched(parameter, options.trainPatterns))
      return mlir::emitError(loc)
             << "--train and --freeze both match parameter '" << parameter.name
             << "': leave it to one of the two";
  }
  if (failed(checkPatterns("freeze", options.freezePatterns, all, "parameter",
                           loc)))
    return failure();
  return checkPatterns("train", options.trainPatterns, trainable, "parameter",
                       loc);
}

LogicalResult fsdp::onnx::emitParameters(const Graph &graph,
                                         const ImportOptions &options,
                                         TensorData &data, OpBuilder &builder,
                                         Location loc,
                                         const ParameterTable &table) {
  if (failed(checkTrained(table, options, loc)))
    return failure();
  if (!table.dropped.empty()) {
    SmallVector<StringRef> dropped(table.dropped.begin(), table.dropped.end());
    builder.getBlock()->getParentOp()->setAttr(
        "onnx.dropped", builder.getStrArrayAttr(dropped));
  }
  std::vector<const Parameter *> ordered;
  for (const Parameter &parameter : table.parameters)
    ordered.push_back(&parameter);
  llvm::sort(ordered, [](const Parameter *a, const Parameter *b) {
    return a->order < b->order;
  });
  llvm::StringSet<> names;
  for (const Parameter *parameter : ordered) {
    if (parameter->name.empty())
      return mlir::emitError(loc)
             << "a parameter has no name: PyTorch's exporters write one for "
                "each, export the model again";
    if (!names.insert(parameter->name).second)
      return mlir::emitError(loc)
             << "two parameters are called '" << parameter->name << "'";
    if (options.isTaken && options.isTaken(parameter->name))
      return mlir::emitError(loc)
             << "a parameter is called '" << parameter->name
             << "', as a part of the program that is made of the model: give "
                "it another name (--rename "
             << parameter->name << "=NAME)";
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
    if (!parameter->aliases.empty()) {
      SmallVector<StringRef> aliases(parameter->aliases.begin(),
                                     parameter->aliases.end());
      op.setAliasesAttr(builder.getStrArrayAttr(aliases));
    }
    bool left = !options.trainPatterns.empty() &&
                !isMatched(*parameter, options.trainPatterns);
    bool frozen = parameter->frozen || (left && !parameter->buffer) ||
                  isMatched(*parameter, options.freezePatterns);
    op.setBuffer(parameter->buffer);
    op.setFrozen(frozen);
    if (failed(setData(op, graph, options, data, *parameter, builder)))
      return failure();
  }
  return success();
}
