//===- AttributeMutations.cpp - Changes of attributes ---------------------===//
#include "test/fuzz/onnx/Mutation.h"

#include <cmath>

using namespace fsdp::fuzz;

namespace {
/// Attributes of the operators that the importer knows.
const char *const names[] = {"axis",
                             "axes",
                             "perm",
                             "to",
                             "keepdims",
                             "transA",
                             "transB",
                             "alpha",
                             "beta",
                             "epsilon",
                             "allowzero",
                             "batch_dims",
                             "dtype",
                             "start",
                             "end",
                             "starts",
                             "ends",
                             "steps",
                             "exclusive",
                             "reverse",
                             "fmod",
                             "ignore_index",
                             "interleaved",
                             "is_causal",
                             "k",
                             "kv_num_heads",
                             "q_num_heads",
                             "num_heads",
                             "rotary_embedding_dim",
                             "scale",
                             "softcap",
                             "mode",
                             "noop_with_empty_axes",
                             "num_outputs",
                             "pads",
                             "padding_idx",
                             "ratio",
                             "reduction",
                             "shape",
                             "split",
                             "upper",
                             "value",
                             "value_float",
                             "value_floats",
                             "value_int",
                             "value_ints",
                             "approximate",
                             "stash_type",
                             "equation",
                             "largest",
                             "sorted",
                             "then_branch",
                             "body"};

pb::AttributeProto *someAttribute(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  return node ? random.in(node->mutable_attribute()) : nullptr;
}

/// Nodes of the graph as a subgraph of its own.
void fillGraph(pb::GraphProto &body, const pb::GraphProto &graph,
               Random &random) {
  body.set_name("body");
  for (const auto &node : graph.node())
    if (random.oneIn(3) && body.node_size() < 8)
      *body.add_node() = node;
  if (body.node_size() && body.node(0).output_size())
    body.add_output()->set_name(body.node(0).output(0));
}

void fill(pb::AttributeProto &attribute, const pb::ModelProto &model,
          Random &random) {
  static const float floats[] = {0,        1,      -1,        1e-5f, 1e30f,
                                 INFINITY, -1e30f, -INFINITY, NAN,   0.5f};
  attribute.set_i(someInt(random));
  attribute.set_f(random.of(floats));
  for (int count = random.below(4); count > 0; --count) {
    attribute.add_ints(someInt(random));
    attribute.add_floats(random.of(floats));
    attribute.add_strings("tanh");
  }
  if (attribute.type() == pb::AttributeProto::TENSOR)
    fillTensor(*attribute.mutable_t(), random);
  if (attribute.type() == pb::AttributeProto::GRAPH)
    fillGraph(*attribute.mutable_g(), model.graph(), random);
}

pb::AttributeProto::AttributeType someType(Random &random) {
  auto type = pb::AttributeProto::AttributeType(random.below(15));
  return random.oneIn(4) ? type : pb::AttributeProto::INT;
}

void addAttribute(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  if (!node)
    return;
  auto *attribute = node->add_attribute();
  attribute->set_name(random.of(names));
  attribute->set_type(someType(random));
  fill(*attribute, model, random);
}

void deleteAttribute(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  if (node && node->attribute_size())
    node->mutable_attribute()->DeleteSubrange(
        random.below(node->attribute_size()), 1);
}

void retypeAttribute(pb::ModelProto &model, Random &random) {
  auto *attribute = someAttribute(model, random);
  if (!attribute)
    return;
  attribute->set_type(pb::AttributeProto::AttributeType(random.below(15)));
  if (random.oneIn(2))
    fill(*attribute, model, random);
}

void changeInts(pb::ModelProto &model, Random &random) {
  auto *attribute = someAttribute(model, random);
  if (!attribute)
    return;
  auto *ints = attribute->mutable_ints();
  if (ints->empty() || random.oneIn(6))
    attribute->set_i(someInt(random));
  if (random.oneIn(5))
    ints->Add(someInt(random));
  else if (!ints->empty() && random.oneIn(5))
    ints->RemoveLast();
  else if (!ints->empty())
    ints->Set(random.below(ints->size()), someInt(random));
}

void changeValues(pb::ModelProto &model, Random &random) {
  if (auto *attribute = someAttribute(model, random))
    fill(*attribute, model, random);
}

void changeString(pb::ModelProto &model, Random &random) {
  static const char *const words[] = {"mean", "sum",  "none",    "tanh",
                                      "",     "edge", "reflect", "wrap",
                                      "max",  "ij,jk"};
  if (auto *attribute = someAttribute(model, random))
    attribute->set_s(random.oneIn(2) ? random.of(words)
                                     : changedText(attribute->s(), 64));
}

void renameAttribute(pb::ModelProto &model, Random &random) {
  if (auto *attribute = someAttribute(model, random))
    attribute->set_name(random.of(names));
}

void referAttribute(pb::ModelProto &model, Random &random) {
  if (auto *attribute = someAttribute(model, random))
    attribute->set_ref_attr_name(random.of(names));
}
} // namespace

void fsdp::fuzz::addAttributeMutations(MutationTable &table) {
  for (Mutation mutation : {addAttribute, deleteAttribute, retypeAttribute,
                            changeInts, changeInts, changeInts, changeValues,
                            changeString, renameAttribute, referAttribute})
    table.push_back(mutation);
}
