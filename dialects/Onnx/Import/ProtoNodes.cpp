//===- ProtoNodes.cpp - Nodes, their attributes and graphs ----------------===//
#include "dialects/Onnx/Import/Converter.h"
#include "dialects/Onnx/Import/FunctionInliner.h"
#include "dialects/Onnx/Import/Records.h"

using namespace mlir;
using namespace fsdp::onnx;

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

FailureOr<Body> Converter::convertBody(const pb::AttributeProto &attribute) {
  const pb::GraphProto &proto = attribute.g();
  Body body;
  body.attribute = attribute.name();
  if (proto.sparse_initializer_size())
    return error() << "graph attribute '" << body.attribute
                   << "' has sparse initializers, which are not supported";
  for (const auto &tensor : proto.initializer()) {
    auto record = convertTensor(tensor, "initializer");
    if (failed(record))
      return failure();
    body.initializers.push_back(std::move(*record));
  }
  for (const auto &input : proto.input()) {
    body.inputs.push_back(input.name());
    body.values.push_back(convertValue(input));
  }
  for (const auto &value : proto.value_info())
    body.values.push_back(convertValue(value));
  for (const auto &output : proto.output())
    body.outputs.push_back(convertValue(output));
  for (const auto &node : proto.node()) {
    auto converted = convertNode(node);
    if (failed(converted))
      return failure();
    body.nodes.push_back(std::move(*converted));
  }
  return body;
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
    if (attribute.type() == pb::AttributeProto::GRAPH) {
      auto body = convertBody(attribute);
      if (failed(body))
        return failure();
      result.bodies.push_back(std::move(*body));
    }
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
