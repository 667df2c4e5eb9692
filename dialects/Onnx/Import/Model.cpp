//===- Model.cpp - Parsing and checking of the file -----------------------===//
//
// This, ProtoNodes.cpp and ProtoTensors.cpp alone see protobuf's classes.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/ControlFlow.h"
#include "dialects/Onnx/Import/Converter.h"
#include "dialects/Onnx/Import/FunctionInliner.h"
#include "dialects/Onnx/Import/ProtoTensors.h"
#include "dialects/Onnx/Import/ProtoTypes.h"
#include "dialects/Onnx/Import/Versions.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fsdp::onnx;

std::optional<int64_t> fsdp::onnx::countElements(llvm::ArrayRef<int64_t> dims) {
  constexpr int64_t limit = int64_t(1) << 48;
  int64_t count = 1;
  for (int64_t extent : dims) {
    if (extent < 0 || (extent > 0 && count > limit / extent))
      return std::nullopt;
    count *= extent;
  }
  return count;
}

/// Reads an offset or length. Some writers print a float ("393216.0").
static bool parseBytes(StringRef text, int64_t &value) {
  auto [whole, fraction] = text.split('.');
  return !whole.getAsInteger(10, value) && value >= 0 &&
         fraction.find_first_not_of('0') == StringRef::npos;
}

LogicalResult Converter::convertExternal(const pb::TensorProto &tensor,
                                         TensorRecord &record) {
  record.external = true;
  record.offset = 0;
  std::optional<int64_t> length;
  for (const auto &entry : tensor.external_data()) {
    int64_t value = 0;
    if (entry.key() == "location")
      record.location = entry.value();
    if (entry.key() != "offset" && entry.key() != "length")
      continue;
    if (!parseBytes(entry.value(), value))
      return error() << "external data of tensor '" << record.name << "' have "
                     << entry.key() << " '" << entry.value()
                     << "', expected a number of bytes";
    if (entry.key() == "offset")
      record.offset = value;
    else
      length = value;
  }
  if (record.location.empty())
    return error() << "external data of tensor '" << record.name
                   << "' name no location";
  if (length && *length != record.bytes)
    return error() << "external data of tensor '" << record.name << "' take "
                   << *length << " bytes, but its type and shape take "
                   << record.bytes;
  return success();
}

FailureOr<TensorRecord> Converter::convertTensor(const pb::TensorProto &tensor,
                                                 StringRef what) {
  TensorRecord record;
  record.name = tensor.name();
  record.dataType = tensor.data_type();
  record.dims.assign(tensor.dims().begin(), tensor.dims().end());
  std::optional<int64_t> count = countElements(record.dims);
  if (!count)
    return error() << what << " '" << record.name
                   << "' has an impossible shape (a negative extent, or more "
                      "elements than fit in memory)";
  int64_t width = elementBytes(record.dataType);
  if (width == 0)
    return error() << what << " '" << record.name << "' has "
                   << describeUnsupportedType(record.dataType);
  record.bytes = *count * width;
  if (tensor.has_segment())
    return error() << what << " '" << record.name
                   << "' is stored in segments, which is not supported";
  if (tensor.data_location() == pb::TensorProto::EXTERNAL) {
    if (failed(convertExternal(tensor, record)))
      return failure();
    return record;
  }
  record.owned = tensor.has_raw_data() ? tensor.raw_data() : typedData(tensor);
  if (int64_t(record.owned.size()) != record.bytes)
    return error() << what << " '" << record.name << "' holds "
                   << record.owned.size() << " bytes, but its type and shape "
                   << "take " << record.bytes;
  return record;
}

LogicalResult Converter::convertInitializers(const pb::GraphProto &proto) {
  std::vector<RawPlace> places = findInitializerData(graph.file->getBuffer());
  if (int64_t(places.size()) != proto.initializer_size())
    return error() << "'" << graph.fileName << "' is corrupt: its initializers "
                   << "cannot be located";
  for (const auto &[i, tensor] : llvm::enumerate(proto.initializer())) {
    auto record = convertTensor(tensor, "initializer");
    if (failed(record))
      return failure();
    if (!record->external && places[i].offset &&
        places[i].bytes == record->bytes) {
      record->offset = places[i].offset;
      record->owned.clear();
    }
    if (!graph.initializerIndex
             .try_emplace(record->name, graph.initializers.size())
             .second)
      return error() << "initializer '" << record->name << "' is there twice";
    graph.initializers.push_back(std::move(*record));
  }
  return success();
}

template <typename Opsets>
LogicalResult Converter::readVersions(const Opsets &opsets) {
  for (const auto &opset : opsets) {
    std::string domain = opset.domain() == "ai.onnx" ? "" : opset.domain();
    versions[domain] = opset.version();
    if (failed(checkOpset(domain, opset.version(), loc)))
      return failure();
  }
  return success();
}

LogicalResult Converter::convertNodes(const pb::ModelProto &model) {
  std::vector<Node> nodes;
  for (const auto &node : model.graph().node()) {
    auto converted = convertNode(node);
    if (failed(converted))
      return failure();
    nodes.push_back(std::move(*converted));
  }
  FunctionInliner inliner(loc);
  for (const auto &function : model.functions()) {
    FunctionRecord record;
    record.inputs.assign(function.input().begin(), function.input().end());
    record.outputs.assign(function.output().begin(), function.output().end());
    auto saved = versions;
    auto restore = llvm::make_scope_exit([&] { versions = saved; });
    if (failed(readVersions(function.opset_import())))
      return failure();
    for (const auto &attribute : function.attribute_proto()) {
      auto converted = convertAttribute(attribute, function.name());
      if (failed(converted))
        return failure();
      record.defaults[attribute.name()] = std::move(*converted);
    }
    for (const auto &node : function.node()) {
      auto converted = convertNode(node);
      if (failed(converted))
        return failure();
      record.nodes.push_back(std::move(*converted));
    }
    inliner.add(function.domain(), function.name(), std::move(record));
  }
  std::vector<Node> inlined;
  if (failed(inliner.run(std::move(nodes), inlined)))
    return failure();
  return flattenBodies(std::move(inlined), graph, loc);
}

LogicalResult Converter::convert(const pb::ModelProto &model) {
  if (!model.has_graph() || model.graph().output_size() == 0)
    return error() << "'" << graph.fileName
                   << "' is not an ONNX model: it has no graph with an output";
  const pb::GraphProto &proto = model.graph();
  graph.producer = model.producer_name();
  if (failed(checkIrVersion(model.ir_version(), loc)) ||
      failed(readVersions(model.opset_import())))
    return failure();
  if (!versions.count(""))
    return error() << "'" << graph.fileName
                   << "' imports no opset of the ONNX domain";
  if (proto.sparse_initializer_size())
    return error() << "'" << graph.fileName
                   << "' has sparse initializers, which are not supported";
  for (const auto &entry : proto.metadata_props())
    graph.metadata[entry.key()] = entry.value();
  for (const auto &entry : model.metadata_props())
    graph.metadata.try_emplace(entry.key(), entry.value());
  for (const auto &info : model.training_info())
    for (const auto &binding : info.update_binding())
      graph.updated.insert(binding.key());
  if (failed(convertInitializers(proto)))
    return failure();
  for (const auto &value : proto.value_info())
    graph.values[value.name()] = convertValue(value);
  for (const auto &input : proto.input()) {
    ValueRecord record = convertValue(input);
    graph.values[record.name] = record;
    // Old files list initializers among the inputs too.
    if (!graph.initializer(record.name))
      graph.inputs.push_back(std::move(record));
  }
  for (const auto &output : proto.output()) {
    graph.outputs.push_back(convertValue(output));
    graph.values[output.name()] = graph.outputs.back();
  }
  return convertNodes(model);
}

std::unique_ptr<Graph> fsdp::onnx::readGraph(StringRef path, Location loc) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file) {
    mlir::emitError(loc) << "cannot read '" << path
                         << "': " << file.getError().message();
    return nullptr;
  }
  auto graph = std::make_unique<Graph>();
  graph->givenPath = path.str();
  graph->fileName = llvm::sys::path::filename(path).str();
  SmallString<256> absolute(path);
  llvm::sys::fs::make_absolute(absolute);
  llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  graph->absolutePath = absolute.str().str();
  graph->directory = llvm::sys::path::parent_path(absolute).str();
  graph->file = std::move(*file);
  StringRef data = graph->file->getBuffer();
  // The parser's own complaints name no file.
  google::protobuf::SetLogHandler(nullptr);
  pb::ModelProto model;
  if (data.size() > size_t(INT32_MAX) || data.empty() ||
      !model.ParseFromArray(data.data(), int(data.size()))) {
    auto diagnostic = mlir::emitError(loc);
    diagnostic << "'" << path << "' is ";
    if (data.size() > size_t(INT32_MAX))
      diagnostic << "larger than 2 GiB, protobuf's limit: save the weights as "
                    "external data";
    else
      diagnostic << (data.empty() ? "empty"
                                  : "not an ONNX model, or truncated "
                                    "or corrupt: it cannot be "
                                    "parsed");
    return nullptr;
  }
  if (failed(Converter(*graph, loc).convert(model)) ||
      failed(checkNames(*graph, loc)))
    return nullptr;
  return graph;
}
