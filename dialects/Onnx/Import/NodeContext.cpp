//===- NodeContext.cpp - Attributes and constant operands of a node -------===//
#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/Import/Versions.h"

using namespace mlir;
using namespace fsdp::onnx;

const NodeAttribute *NodeContext::attribute(StringRef name) const {
  auto it = node.attributes.find(name);
  return it == node.attributes.end() ? nullptr : &it->second;
}

int64_t NodeContext::integer(StringRef name, int64_t otherwise) const {
  const NodeAttribute *value = attribute(name);
  return value ? value->i : otherwise;
}

double NodeContext::real(StringRef name, double otherwise) const {
  const NodeAttribute *value = attribute(name);
  return value ? value->f : otherwise;
}

std::string NodeContext::text(StringRef name, StringRef otherwise) const {
  const NodeAttribute *value = attribute(name);
  return value ? value->s : otherwise.str();
}

FailureOr<Tensor> NodeContext::tensor(StringRef name) const {
  const NodeAttribute *value = attribute(name);
  if (!value || !value->tensor)
    return e.error() << "attribute '" << name << "' is no tensor";
  return data.load(*value->tensor);
}

std::optional<SmallVector<int64_t>>
NodeContext::constantInts(unsigned i) const {
  // Shapes, axes and the like: no more than dimensions, or parts.
  constexpr int64_t longest = 1 << 16;
  if (!has(i) || !in[i].constant || in[i].constant->isFloat() ||
      in[i].constant->numElements() > longest)
    return std::nullopt;
  const Tensor &tensor = *in[i].constant;
  SmallVector<int64_t> values;
  for (int64_t j = 0, count = tensor.numElements(); j < count; ++j)
    values.push_back(tensor.asInt(j));
  return values;
}

std::optional<SmallVector<int64_t>> NodeContext::ints(unsigned i,
                                                      StringRef name) const {
  if (has(i))
    return constantInts(i);
  if (const NodeAttribute *value = attribute(name))
    return SmallVector<int64_t>(value->ints.begin(), value->ints.end());
  return std::nullopt;
}

FailureOr<int64_t> NodeContext::axis(int64_t value, int64_t rank) const {
  int64_t axis = value < 0 ? value + rank : value;
  if (axis < 0 || axis >= rank)
    return e.error() << "axis " << value << " is outside rank " << rank;
  return axis;
}

FailureOr<SmallVector<int64_t>> NodeContext::axes(ArrayRef<int64_t> values,
                                                  int64_t rank) const {
  SmallVector<int64_t> result;
  for (int64_t value : values) {
    FailureOr<int64_t> at = axis(value, rank);
    if (failed(at))
      return failure();
    if (llvm::is_contained(result, *at))
      return e.error() << "axis " << value << " is there twice";
    result.push_back(*at);
  }
  return result;
}

LogicalResult NodeContext::checkAttributes() const {
  if (int64_t oldest = oldestOpset(node.opType); node.version < oldest)
    return e.error() << node.opType << " is that of opset " << node.version
                     << ", which means something else than since opset "
                     << oldest << ": export with opset_version=18";
  for (const auto &entry : node.attributes)
    if (!isKnownAttribute(node.opType, entry.first()))
      return e.error() << "attribute '" << entry.first() << "' of "
                       << node.opType << " (opset " << node.version
                       << ") is not known: export with opset_version=18";
  return success();
}

size_t fsdp::onnx::requiredOperands(const Node &node) {
  // Of any number, all have to be there.
  for (StringRef name :
       {"Concat", "Max", "Mean", "Min", "SequenceConstruct", "Sum"})
    if (name == node.opType)
      return std::max<size_t>(node.inputs.size(), 1);
  static const llvm::StringMap<unsigned> counts = [] {
    llvm::StringMap<unsigned> table;
    for (StringRef name : {"Constant", "SequenceEmpty"})
      table[name] = 0;
    for (StringRef name : {"Add",
                           "Sub",
                           "Mul",
                           "Div",
                           "Pow",
                           "Mod",
                           "PRelu",
                           "And",
                           "Or",
                           "Xor",
                           "Equal",
                           "Less",
                           "LessOrEqual",
                           "Greater",
                           "GreaterOrEqual",
                           "CastLike",
                           "Expand",
                           "Tile",
                           "CumSum",
                           "GatherND",
                           "GatherElements",
                           "Gather",
                           "MatMul",
                           "Gemm",
                           "LayerNormalization",
                           "RMSNormalization",
                           "SequenceAt",
                           "Compress",
                           "ReverseSequence",
                           "SoftmaxCrossEntropyLoss",
                           "NegativeLogLikelihoodLoss"})
      table[name] = 2;
    for (StringRef name : {"Where", "Range", "ScatterND", "ScatterElements",
                           "Scatter", "OneHot", "Attention", "RotaryEmbedding"})
      table[name] = 3;
    table["BatchNormalization"] = 5;
    return table;
  }();
  auto it = counts.find(node.opType);
  return it == counts.end() ? 1 : it->second;
}
