//===- NodeMutations.cpp - Changes of nodes -------------------------------===//
#include "test/fuzz/onnx/Mutation.h"

using namespace fsdp::fuzz;

namespace {
void replaceInput(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  std::string *input = node ? random.in(node->mutable_input()) : nullptr;
  if (!input)
    return;
  if (random.oneIn(8) && node->output_size())
    *input = node->output(0);
  else
    *input = someValue(model.graph(), random);
}

void addInput(pb::ModelProto &model, Random &random) {
  if (auto *node = someNode(model, random))
    node->add_input(someValue(model.graph(), random));
}

void dropInput(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  if (node && node->input_size())
    node->mutable_input()->DeleteSubrange(random.below(node->input_size()), 1);
}

void swapInputs(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  if (node && node->input_size())
    node->mutable_input()->SwapElements(random.below(node->input_size()),
                                        random.below(node->input_size()));
}

void changeOutput(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  std::string *output = node ? random.in(node->mutable_output()) : nullptr;
  if (output)
    *output = random.oneIn(2) ? someValue(model.graph(), random)
                              : changedText(*output, 64);
}

void addOutput(pb::ModelProto &model, Random &random) {
  if (auto *node = someNode(model, random))
    node->add_output(random.oneIn(2) ? someValue(model.graph(), random)
                                     : node->name() + "+");
}

void dropOutput(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  if (node && node->output_size())
    node->mutable_output()->RemoveLast();
}

void swapOperator(pb::ModelProto &model, Random &random) {
  if (auto *node = someNode(model, random))
    node->set_op_type(someOperator(random));
}

void changeDomain(pb::ModelProto &model, Random &random) {
  static const char *const domains[] = {"", "ai.onnx", "com.microsoft",
                                        "pkg.onnxscript.torch_lib", "local"};
  if (auto *node = someNode(model, random))
    node->set_domain(random.of(domains));
}

void duplicateNode(pb::ModelProto &model, Random &random) {
  auto *nodes = model.mutable_graph()->mutable_node();
  if (nodes->empty())
    return;
  int at = random.below(nodes->size());
  pb::NodeProto copy = nodes->Get(at);
  std::string before = copy.output_size() ? copy.output(0) : "";
  if (random.oneIn(4) || before.empty()) {
    *nodes->Add() = copy;
    return;
  }
  // A second one whose result some reader takes: the model stays valid.
  for (std::string &output : *copy.mutable_output())
    output += "+";
  for (auto &reader : *nodes)
    for (std::string &input : *reader.mutable_input())
      if (input == before && random.oneIn(2))
        input = copy.output(0);
  *nodes->Add() = copy;
  for (int i = nodes->size() - 1; i > at; --i)
    nodes->SwapElements(i, i - 1);
}

void deleteNode(pb::ModelProto &model, Random &random) {
  auto *nodes = model.mutable_graph()->mutable_node();
  if (nodes->empty())
    return;
  int at = random.below(nodes->size());
  pb::NodeProto gone = nodes->Get(at);
  nodes->DeleteSubrange(at, 1);
  if (random.oneIn(4) || !gone.input_size() || !gone.output_size())
    return;
  for (auto &reader : *nodes)
    for (std::string &input : *reader.mutable_input())
      if (input == gone.output(0))
        input = gone.input(0);
}

void moveNode(pb::ModelProto &model, Random &random) {
  auto *nodes = model.mutable_graph()->mutable_node();
  if (!nodes->empty())
    nodes->SwapElements(random.below(nodes->size()),
                        random.below(nodes->size()));
}

void renameNode(pb::ModelProto &model, Random &random) {
  auto *node = someNode(model, random);
  if (!node)
    return;
  auto *other = someNode(model, random);
  node->set_name(other && random.oneIn(2) ? other->name()
                                          : changedText(node->name(), 128));
}

/// A new node between a value and one of its readers.
void insertNode(pb::ModelProto &model, Random &random) {
  auto *nodes = model.mutable_graph()->mutable_node();
  if (nodes->empty())
    return;
  int at = random.below(nodes->size());
  std::string *input = random.in(nodes->Mutable(at)->mutable_input());
  if (!input)
    return;
  pb::NodeProto node;
  node.set_op_type(someOperator(random));
  node.set_name(node.op_type() + std::to_string(random.below(1000)));
  node.add_input(*input);
  for (int extra = random.below(3); extra > 0; --extra)
    node.add_input(someValue(model.graph(), random));
  *input = node.name() + ":" + std::to_string(nodes->size());
  node.add_output(*input);
  *nodes->Add() = node;
  for (int i = nodes->size() - 1; i > at; --i)
    nodes->SwapElements(i, i - 1);
}

/// A tensor of one element: a condition, or a number of trips.
std::string addScalar(pb::GraphProto &graph, pb::TensorProto::DataType type,
                      int64_t value) {
  auto *tensor = graph.add_initializer();
  tensor->set_name("scalar" + std::to_string(graph.initializer_size()));
  tensor->set_data_type(type);
  if (type == pb::TensorProto::BOOL)
    tensor->add_int32_data(int32_t(value));
  else
    tensor->add_int64_data(value);
  return tensor->name();
}

pb::GraphProto &addBody(pb::NodeProto &node, const char *attribute) {
  auto *added = node.add_attribute();
  added->set_name(attribute);
  added->set_type(pb::AttributeProto::GRAPH);
  return *added->mutable_g();
}

/// A node becomes a branch of an If, beside another of the graph's.
void intoBranch(pb::ModelProto &model, Random &random) {
  auto &graph = *model.mutable_graph();
  auto *node = random.in(graph.mutable_node());
  if (!node || !node->output_size())
    return;
  pb::NodeProto control, inner = *node;
  control.set_op_type("If");
  control.set_name("If" + std::to_string(random.below(1000)));
  *control.mutable_output() = inner.output();
  control.add_input(random.oneIn(8) ? someValue(graph, random)
                                    : addScalar(graph, pb::TensorProto::BOOL,
                                                random.below(2)));
  for (const char *attribute : {"then_branch", "else_branch"}) {
    pb::GraphProto &body = addBody(control, attribute);
    pb::NodeProto &copy = *body.add_node();
    copy = inner;
    if (random.oneIn(4))
      copy.set_op_type(someOperator(random));
    for (std::string &output : *copy.mutable_output()) {
      output += "'";
      body.add_output()->set_name(output);
    }
  }
  *node = control;
}

/// A node becomes the body of a Loop that carries its first operand, and may
/// collect its results.
void intoLoop(pb::ModelProto &model, Random &random) {
  auto &graph = *model.mutable_graph();
  auto *node = random.in(graph.mutable_node());
  if (!node || !node->output_size() || !node->input_size())
    return;
  pb::NodeProto control, inner = *node;
  control.set_op_type("Loop");
  control.set_name("Loop" + std::to_string(random.below(1000)));
  control.add_input(random.oneIn(6) ? someValue(graph, random)
                                    : addScalar(graph, pb::TensorProto::INT64,
                                                someInt(random)));
  control.add_input(
      random.oneIn(2) ? "" : addScalar(graph, pb::TensorProto::BOOL, 1));
  control.add_input(inner.input(0));
  control.add_output(inner.output(0));
  pb::GraphProto &body = addBody(control, "body");
  for (const char *name : {"trip", "on", "carried"})
    body.add_input()->set_name(name);
  inner.set_input(0, "carried");
  inner.set_output(0, "next");
  *body.add_node() = inner;
  body.add_output()->set_name("on");
  body.add_output()->set_name("next");
  if (random.oneIn(2)) {
    control.add_output(control.name() + ":all");
    body.add_output()->set_name(random.oneIn(2) ? "next" : "trip");
  }
  *node = control;
}

/// A constant operand in the place of any: shapes, axes, indices.
void insertConstant(pb::ModelProto &model, Random &random) {
  auto *node = random.in(model.mutable_graph()->mutable_node());
  std::string *input = node ? random.in(node->mutable_input()) : nullptr;
  if (!input)
    return;
  auto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name("constant" + std::to_string(random.below(1 << 20)));
  fillTensor(*tensor, random);
  *input = tensor->name();
}
} // namespace

void fsdp::fuzz::addNodeMutations(MutationTable &table) {
  for (Mutation mutation :
       {replaceInput, replaceInput,   addInput,       dropInput,
        swapInputs,   changeOutput,   addOutput,      dropOutput,
        swapOperator, swapOperator,   changeDomain,   duplicateNode,
        deleteNode,   moveNode,       renameNode,     insertNode,
        insertNode,   insertConstant, insertConstant, intoBranch,
        intoLoop})
    table.push_back(mutation);
}
