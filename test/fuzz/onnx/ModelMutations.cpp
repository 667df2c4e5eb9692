//===- ModelMutations.cpp - Changes of versions, records and functions ----===//
#include "test/fuzz/onnx/Mutation.h"

using namespace fsdp::fuzz;

namespace {
/// Chooses the options of the import too (see Check.h).
void changeVariant(pb::ModelProto &model, Random &random) {
  model.set_model_version(random.below(64));
}

void changeOpset(pb::ModelProto &model, Random &random) {
  static const int64_t versions[] = {1,  6,  9,  11, 12, 13, 14, 15, 16, 17,
                                     18, 19, 20, 21, 22, 23, 24, 25, 26, 99};
  auto *opsets = model.mutable_opset_import();
  auto *opset = random.in(opsets);
  if (!opset || random.oneIn(8))
    opset = opsets->Add();
  opset->set_version(random.oneIn(8) ? someInt(random) : random.of(versions));
  if (random.oneIn(8))
    opset->set_domain(random.oneIn(2) ? "local" : "ai.onnx");
}

void dropOpset(pb::ModelProto &model, Random &random) {
  if (model.opset_import_size())
    model.mutable_opset_import()->RemoveLast();
}

void changeIrVersion(pb::ModelProto &model, Random &random) {
  model.set_ir_version(random.oneIn(4) ? someInt(random) : random.below(16));
}

void changeProducer(pb::ModelProto &model, Random &random) {
  static const char *const names[] = {"pytorch", "", "onnxruntime",
                                      "onnx.helper"};
  model.set_producer_name(random.of(names));
}

/// Cuts, doubles or swaps lines, or changes bytes.
void changeLines(std::string &text, Random &random) {
  if (text.empty() || random.oneIn(3)) {
    text = changedText(text);
    return;
  }
  size_t at = random.below(int(text.size()));
  size_t begin = text.rfind('\n', at), end = text.find('\n', at);
  begin = begin == std::string::npos ? 0 : begin;
  end = end == std::string::npos ? text.size() : end;
  std::string line = text.substr(begin, end - begin);
  if (random.oneIn(2))
    text.erase(begin, end - begin);
  if (random.oneIn(2))
    text.insert(random.below(int(text.size()) + 1), line);
}

/// A record of the model, the graph or a node: signature, calls, scopes.
void changeRecord(pb::ModelProto &model, Random &random) {
  pb::StringStringEntryProto *entry = nullptr;
  if (random.oneIn(3))
    entry = random.in(model.mutable_metadata_props());
  else if (random.oneIn(2))
    entry = random.in(model.mutable_graph()->mutable_metadata_props());
  else if (auto *node = someNode(model, random))
    entry = random.in(node->mutable_metadata_props());
  if (!entry)
    return;
  if (random.oneIn(8))
    entry->set_key(changedText(entry->key(), 64));
  else
    changeLines(*entry->mutable_value(), random);
}

void swapRecords(pb::ModelProto &model, Random &random) {
  auto *a = random.in(model.mutable_graph()->mutable_node());
  auto *b = random.in(model.mutable_graph()->mutable_node());
  if (a && b && a != b)
    a->mutable_metadata_props()->Swap(b->mutable_metadata_props());
}

void dropRecords(pb::ModelProto &model, Random &random) {
  if (random.oneIn(4))
    model.mutable_graph()->clear_metadata_props();
  else if (auto *node = random.in(model.mutable_graph()->mutable_node()))
    node->clear_metadata_props();
}

/// Wraps a node into a local function of the same signature.
void makeFunction(pb::ModelProto &model, Random &random) {
  auto *node = random.in(model.mutable_graph()->mutable_node());
  if (!node)
    return;
  auto *function = model.add_functions();
  function->set_domain("local");
  function->set_name("f" + std::to_string(model.functions_size()));
  *function->mutable_input() = node->input();
  *function->mutable_output() = node->output();
  *function->add_node() = *node;
  *function->mutable_opset_import() = model.opset_import();
  node->set_domain("local");
  node->set_op_type(function->name());
  auto *opset = model.add_opset_import();
  opset->set_domain("local");
  opset->set_version(1);
}

/// Makes a function's node call any function, itself perhaps.
void nestCalls(pb::ModelProto &model, Random &random) {
  auto *function = random.in(model.mutable_functions());
  auto *callee = random.in(model.mutable_functions());
  auto *node = function ? random.in(function->mutable_node()) : nullptr;
  if (!node)
    return;
  node->set_domain(callee->domain());
  node->set_op_type(callee->name());
  if (random.oneIn(2))
    *function->add_node() = *node;
}

void changeFunction(pb::ModelProto &model, Random &random) {
  auto *function = random.in(model.mutable_functions());
  if (!function)
    return;
  switch (random.below(4)) {
  case 0:
    function->add_input(someValue(model.graph(), random));
    break;
  case 1:
    function->clear_output();
    break;
  case 2:
    function->add_attribute("axis");
    break;
  default:
    auto *attribute = function->add_attribute_proto();
    attribute->set_name("axis");
    attribute->set_type(pb::AttributeProto::INT);
    attribute->set_i(someInt(random));
  }
}

void addOddParts(pb::ModelProto &model, Random &random) {
  switch (random.below(4)) {
  case 0:
    model.add_training_info()->mutable_algorithm()->set_name("step");
    break;
  case 1:
    model.mutable_graph()->add_sparse_initializer();
    break;
  case 2:
    model.add_configuration()->set_num_devices(int32_t(someInt(random)));
    break;
  default:
    model.mutable_graph()->add_quantization_annotation()->set_tensor_name(
        someValue(model.graph(), random));
  }
}
} // namespace

void fsdp::fuzz::addModelMutations(MutationTable &table) {
  for (Mutation mutation :
       {changeVariant, changeVariant, changeOpset, dropOpset, changeIrVersion,
        changeProducer, changeRecord, changeRecord, changeRecord, swapRecords,
        dropRecords, makeFunction, nestCalls, changeFunction, addOddParts})
    table.push_back(mutation);
}
