//===- KeptNodes.cpp - Nodes outside the set, as they are -----------------===//
#include "dialects/Onnx/Import/KeptNodes.h"
#include "dialects/Onnx/Evaluate.h"
#include "dialects/Onnx/Import/Dims.h"
#include "dialects/Onnx/Import/ProtoTypes.h"

using namespace mlir;
using namespace fsdp::onnx;

DictionaryAttr fsdp::onnx::attributesOf(const Node &node, OpBuilder &builder,
                                        TensorData &data) {
  SmallVector<NamedAttribute> attributes;
  for (const auto &entry : node.attributes) {
    const NodeAttribute &value = entry.second;
    Attribute converted;
    switch (value.kind) {
    case NodeAttribute::Kind::Int:
      converted = builder.getI64IntegerAttr(value.i);
      break;
    case NodeAttribute::Kind::Float:
      converted = builder.getF64FloatAttr(value.f);
      break;
    case NodeAttribute::Kind::String:
      converted = builder.getStringAttr(value.s);
      break;
    case NodeAttribute::Kind::Ints:
      converted = builder.getDenseI64ArrayAttr(value.ints);
      break;
    case NodeAttribute::Kind::Floats:
      converted = builder.getDenseF64ArrayAttr(value.floats);
      break;
    case NodeAttribute::Kind::Strings: {
      SmallVector<StringRef> strings(value.strings.begin(),
                                     value.strings.end());
      converted = builder.getStrArrayAttr(strings);
      break;
    }
    case NodeAttribute::Kind::Tensor:
      // Another file's data are not asked for: the node is refused by its name.
      if (value.tensor->external)
        converted = builder.getUnitAttr();
      else if (auto tensor = data.load(*value.tensor); succeeded(tensor))
        converted = toAttribute(*tensor);
      break;
    case NodeAttribute::Kind::Other:
      converted = builder.getUnitAttr();
      break;
    }
    if (converted)
      attributes.push_back(builder.getNamedAttr(entry.first(), converted));
  }
  return builder.getDictionaryAttr(attributes);
}

SmallVector<Type> fsdp::onnx::statedTypes(const Graph &graph, const Node &node,
                                          const ImportOptions &options,
                                          OpBuilder &builder) {
  SmallVector<Type> types;
  for (const std::string &output : node.outputs) {
    Type element = builder.getF32Type();
    std::optional<SmallVector<int64_t>> shape;
    if (auto it = graph.values.find(output); it != graph.values.end()) {
      shape = statedShape(it->second, options);
      if (Type stated =
              elementTypeOf(it->second.dataType, builder.getContext()))
        element = stated;
    }
    types.push_back(shape ? Type(RankedTensorType::get(*shape, element))
                          : Type(UnrankedTensorType::get(element)));
  }
  return types;
}
