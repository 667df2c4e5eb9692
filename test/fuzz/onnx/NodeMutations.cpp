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
       {replaceInput, replaceInput, addInput, dropInput, swapInputs,
        changeOutput, addOutput, dropOutput, swapOperator, swapOperator,
        changeDomain, duplicateNode, deleteNode, moveNode, renameNode,
        insertNode, insertNode, insertConstant, insertConstant})
    table.push_back(mutation);
}
