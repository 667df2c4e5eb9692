//===- Mutation.cpp - What the mutations share ----------------------------===//
#include "test/fuzz/onnx/Mutation.h"
#include "dialects/Onnx/Import/Handlers.h"

#include <cstring>

using namespace fsdp;
using namespace fsdp::fuzz;

int64_t fsdp::fuzz::someInt(Random &random) {
  return random.oneIn(3) ? random.of(interesting) : random.below(7) - 2;
}

std::string fsdp::fuzz::someValue(const pb::GraphProto &graph, Random &random) {
  int nodes = graph.node_size(), inputs = graph.input_size(),
      weights = graph.initializer_size();
  int i = random.below(nodes + inputs + weights + 1);
  if (i < nodes) {
    const auto &outputs = graph.node(i).output();
    return outputs.empty() ? "" : outputs[random.below(outputs.size())];
  }
  if ((i -= nodes) < inputs)
    return graph.input(i).name();
  if ((i -= inputs) < weights)
    return graph.initializer(i).name();
  return "";
}

/// `node`, or one of a graph that it holds.
static pb::NodeProto *inBodies(pb::NodeProto *node, Random &random) {
  while (node && random.oneIn(2)) {
    auto *attribute = random.in(node->mutable_attribute());
    if (!attribute || !attribute->has_g() || !attribute->g().node_size())
      break;
    node = random.in(attribute->mutable_g()->mutable_node());
  }
  return node;
}

pb::NodeProto *fsdp::fuzz::someNode(pb::ModelProto &model, Random &random) {
  auto *nodes = model.mutable_graph()->mutable_node();
  if (model.functions_size() && random.oneIn(3))
    nodes = random.in(model.mutable_functions())->mutable_node();
  return inBodies(random.in(nodes), random);
}

/// A tensor attribute of any node.
static pb::TensorProto *someTensorAttribute(pb::ModelProto &model,
                                            Random &random) {
  std::vector<pb::TensorProto *> tensors;
  for (auto &node : *model.mutable_graph()->mutable_node())
    for (auto &attribute : *node.mutable_attribute())
      if (attribute.has_t())
        tensors.push_back(attribute.mutable_t());
  return tensors.empty() ? nullptr : tensors[random.below(tensors.size())];
}

pb::TensorProto *fsdp::fuzz::someTensor(pb::ModelProto &model, Random &random) {
  if (random.oneIn(3))
    if (auto *tensor = someTensorAttribute(model, random))
      return tensor;
  return random.in(model.mutable_graph()->mutable_initializer());
}

void fsdp::fuzz::fillTensor(pb::TensorProto &tensor, Random &random) {
  static constexpr pb::TensorProto::DataType types[] = {
      pb::TensorProto::INT64, pb::TensorProto::FLOAT, pb::TensorProto::BOOL,
      pb::TensorProto::INT32};
  std::string name = tensor.name();
  tensor.Clear();
  tensor.set_name(name);
  tensor.set_data_type(random.of(types));
  int64_t count = 1;
  for (int rank = random.below(3); rank > 0; --rank) {
    int64_t extent = random.below(5);
    tensor.add_dims(extent);
    count *= extent;
  }
  for (; count > 0; --count) {
    int64_t value = someInt(random);
    if (tensor.data_type() == pb::TensorProto::FLOAT)
      tensor.add_float_data(random.oneIn(4) ? value : value / 8.0f);
    else if (tensor.data_type() == pb::TensorProto::INT64)
      tensor.add_int64_data(value);
    else
      tensor.add_int32_data(int32_t(value));
  }
}

/// The operators of the importer's own tables, so that none is forgotten.
static std::vector<std::string> knownOperators() {
  std::vector<std::string> names;
  for (const auto &entry : onnx::allHandlers())
    names.push_back(entry.first().str());
  std::sort(names.begin(), names.end());
  return names;
}

std::string fsdp::fuzz::someOperator(Random &random) {
  static const std::vector<std::string> known = knownOperators();
  static const char *const others[] = {"If",   "Loop",     "Scan",
                                       "LSTM", "Optional", ""};
  return random.oneIn(30) ? random.of(others)
                          : known[random.below(known.size())];
}

void fsdp::fuzz::mutate(pb::ModelProto &model, Random &random) {
  static const MutationTable mutations = [] {
    MutationTable table;
    for (auto add : {addNodeMutations, addAttributeMutations,
                     addTensorMutations, addValueMutations, addModelMutations})
      add(table);
    return table;
  }();
  // Mostly one: a model that is refused for one change hides the others.
  int count = random.oneIn(2) ? 1 : 1 + random.below(4);
  for (; count > 0; --count)
    mutations[random.below(mutations.size())](model, random);
}

/// A run of the other graph's nodes, with the initializers that they read.
static void takeNodes(pb::GraphProto &graph, const pb::GraphProto &other,
                      Random &random) {
  int begin = random.below(other.node_size());
  int end = std::min(begin + 1 + random.below(6), other.node_size());
  for (int i = begin; i < end; ++i) {
    *graph.add_node() = other.node(i);
    for (std::string &input :
         *graph.mutable_node()->rbegin()->mutable_input()) {
      for (const auto &tensor : other.initializer())
        if (tensor.name() == input)
          *graph.add_initializer() = tensor;
      if (random.oneIn(4))
        input = someValue(graph, random);
    }
  }
}

void fsdp::fuzz::cross(pb::ModelProto &model, const pb::ModelProto &other,
                       Random &random) {
  switch (random.below(4)) {
  case 0:
    *model.mutable_metadata_props() = other.metadata_props();
    *model.mutable_graph()->mutable_metadata_props() =
        other.graph().metadata_props();
    break;
  case 1:
    model.mutable_functions()->MergeFrom(other.functions());
    model.mutable_opset_import()->MergeFrom(other.opset_import());
    break;
  case 2:
    *model.mutable_graph()->mutable_initializer() = other.graph().initializer();
    break;
  default:
    takeNodes(*model.mutable_graph(), other.graph(), random);
  }
}
