//===- Model.cpp - Parsing and checking of the file -----------------------===//
//
// The only file that sees protobuf's classes.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/FunctionInliner.h"
#include "dialects/Onnx/Import/Graph.h"
#include "dialects/Onnx/Import/ProtoTypes.h"
#include "dialects/Onnx/Import/Records.h"

#include "mlir/IR/Diagnostics.h"
#include "onnx-ml.pb.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fsdp::onnx;
namespace pb = fsdp_onnx;

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

namespace {
/// Bytes of an element of an ONNX data type, 0 for those not stored as such.
int64_t elementBytes(int32_t type) {
  switch (type) {
  case pb::TensorProto::DOUBLE:
  case pb::TensorProto::INT64:
  case pb::TensorProto::UINT64:
    return 8;
  case pb::TensorProto::FLOAT:
  case pb::TensorProto::INT32:
  case pb::TensorProto::UINT32:
    return 4;
  case pb::TensorProto::FLOAT16:
  case pb::TensorProto::BFLOAT16:
  case pb::TensorProto::INT16:
  case pb::TensorProto::UINT16:
    return 2;
  case pb::TensorProto::INT8:
  case pb::TensorProto::UINT8:
  case pb::TensorProto::BOOL:
    return 1;
  default:
    return 0;
  }
}

template <typename T, typename Field>
void appendRaw(std::string &out, const Field &field) {
  for (auto value : field) {
    T element = T(value);
    out.append(reinterpret_cast<const char *>(&element), sizeof(T));
  }
}

/// The data of a tensor held in one of the typed fields, as raw bytes.
std::string typedData(const pb::TensorProto &tensor) {
  std::string out;
  switch (tensor.data_type()) {
  case pb::TensorProto::FLOAT:
    appendRaw<float>(out, tensor.float_data());
    break;
  case pb::TensorProto::DOUBLE:
    appendRaw<double>(out, tensor.double_data());
    break;
  case pb::TensorProto::INT64:
    appendRaw<int64_t>(out, tensor.int64_data());
    break;
  case pb::TensorProto::UINT32:
  case pb::TensorProto::UINT64:
    if (tensor.data_type() == pb::TensorProto::UINT64)
      appendRaw<uint64_t>(out, tensor.uint64_data());
    else
      appendRaw<uint32_t>(out, tensor.uint64_data());
    break;
  default:
    switch (elementBytes(tensor.data_type())) {
    case 4:
      appendRaw<int32_t>(out, tensor.int32_data());
      break;
    case 2:
      appendRaw<int16_t>(out, tensor.int32_data());
      break;
    case 1:
      appendRaw<int8_t>(out, tensor.int32_data());
      break;
    }
  }
  return out;
}

class Converter {
public:
  Converter(Graph &graph, Location loc) : graph(graph), loc(loc) {}
  LogicalResult convert(const pb::ModelProto &model);

private:
  FailureOr<TensorRecord> convertTensor(const pb::TensorProto &tensor,
                                        StringRef what);
  LogicalResult convertExternal(const pb::TensorProto &tensor,
                                TensorRecord &record);
  FailureOr<Node> convertNode(const pb::NodeProto &node);
  FailureOr<NodeAttribute> convertAttribute(const pb::AttributeProto &attribute,
                                            StringRef node);
  ValueRecord convertValue(const pb::ValueInfoProto &value);
  LogicalResult convertInitializers(const pb::GraphProto &graph);
  LogicalResult convertNodes(const pb::ModelProto &model);
  InFlightDiagnostic error() { return mlir::emitError(loc); }

  Graph &graph;
  Location loc;
  llvm::StringMap<int64_t> versions;
};
} // namespace

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
    return error() << what << " '" << record.name
                   << "' has ONNX element type number " << record.dataType
                   << ", which is not supported";
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

FailureOr<NodeAttribute>
Converter::convertAttribute(const pb::AttributeProto &attribute,
                            StringRef node) {
  using Kind = NodeAttribute::Kind;
  NodeAttribute result;
  switch (attribute.type()) {
  case pb::AttributeProto::INT:
    result.kind = Kind::Int;
    result.i = attribute.i();
    break;
  case pb::AttributeProto::FLOAT:
    result.kind = Kind::Float;
    result.f = attribute.f();
    break;
  case pb::AttributeProto::STRING:
    result.kind = Kind::String;
    result.s = attribute.s();
    break;
  case pb::AttributeProto::INTS:
    result.kind = Kind::Ints;
    result.ints.assign(attribute.ints().begin(), attribute.ints().end());
    break;
  case pb::AttributeProto::FLOATS:
    result.kind = Kind::Floats;
    result.floats.assign(attribute.floats().begin(), attribute.floats().end());
    break;
  case pb::AttributeProto::STRINGS:
    result.kind = Kind::Strings;
    result.strings.assign(attribute.strings().begin(),
                          attribute.strings().end());
    break;
  case pb::AttributeProto::TENSOR: {
    auto tensor = convertTensor(
        attribute.t(), ("tensor attribute of node '" + node + "',").str());
    if (failed(tensor))
      return failure();
    result.kind = Kind::Tensor;
    result.tensor = std::make_shared<TensorRecord>(std::move(*tensor));
    break;
  }
  default:
    break;
  }
  return result;
}

FailureOr<Node> Converter::convertNode(const pb::NodeProto &node) {
  Node result;
  result.opType = node.op_type();
  result.domain = node.domain() == "ai.onnx" ? "" : node.domain();
  result.name = node.name();
  result.inputs.assign(node.input().begin(), node.input().end());
  result.outputs.assign(node.output().begin(), node.output().end());
  if (result.name.empty() && !result.outputs.empty())
    result.name = result.outputs[0];
  auto version = versions.find(result.domain);
  result.version = version == versions.end() ? 0 : version->second;
  for (const auto &entry : node.metadata_props()) {
    if (entry.key() == "pkg.torch.onnx.fx_node")
      result.fxNode = entry.value();
    else if (entry.key() == "pkg.torch.onnx.name_scopes")
      result.nameScopes = entry.value();
    else if (entry.key() == "pkg.torch.onnx.class_hierarchy")
      result.classes = entry.value();
  }
  for (const auto &attribute : node.attribute()) {
    auto converted = convertAttribute(attribute, result.name);
    if (failed(converted))
      return failure();
    // A reference inside a function to an attribute of its caller.
    if (!attribute.ref_attr_name().empty())
      converted->s = functionReferencePrefix + attribute.ref_attr_name();
    result.attributes[attribute.name()] = std::move(*converted);
  }
  return result;
}

ValueRecord Converter::convertValue(const pb::ValueInfoProto &value) {
  ValueRecord result;
  result.name = value.name();
  for (const auto &entry : value.metadata_props())
    if (entry.key() == "pkg.onnxscript.optimizer.folded_from")
      result.foldedFrom = parseFoldedFrom(entry.value());
  if (!value.type().has_tensor_type())
    return result;
  const auto &type = value.type().tensor_type();
  result.dataType = type.elem_type();
  if (!type.has_shape())
    return result;
  result.shape.emplace();
  for (const auto &dim : type.shape().dim()) {
    Dim converted;
    if (dim.has_dim_value())
      converted.value = dim.dim_value();
    converted.name = dim.dim_param();
    result.shape->push_back(converted);
  }
  return result;
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
    for (const auto &opset : function.opset_import())
      versions[opset.domain() == "ai.onnx" ? "" : opset.domain()] =
          opset.version();
    auto restore = llvm::make_scope_exit([&] { versions = saved; });
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
  return inliner.run(std::move(nodes), graph.nodes);
}

LogicalResult Converter::convert(const pb::ModelProto &model) {
  if (!model.has_graph() || model.graph().output_size() == 0)
    return error() << "'" << graph.fileName
                   << "' is not an ONNX model: it has no graph with an output";
  const pb::GraphProto &proto = model.graph();
  graph.producer = model.producer_name();
  for (const auto &opset : model.opset_import())
    versions[opset.domain() == "ai.onnx" ? "" : opset.domain()] =
        opset.version();
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
  if (failed(Converter(*graph, loc).convert(model)))
    return nullptr;
  return graph;
}
