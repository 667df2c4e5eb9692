//===- ValueMutations.cpp - Changes of inputs, outputs and stated types ---===//
#include "test/fuzz/onnx/Mutation.h"

using namespace fsdp::fuzz;

namespace {
pb::ValueInfoProto *someRecord(pb::ModelProto &model, Random &random) {
  auto *graph = model.mutable_graph();
  switch (random.below(4)) {
  case 0:
    return random.in(graph->mutable_value_info());
  case 1:
    return random.in(graph->mutable_output());
  default:
    return random.in(graph->mutable_input());
  }
}

void fillDim(pb::TensorShapeProto::Dimension &dim, Random &random) {
  static const char *const names[] = {"batch", "seq", "", "x:0", "a b=\""};
  if (random.oneIn(4))
    dim.set_dim_param(random.of(names));
  else if (random.oneIn(8))
    dim.Clear();
  else
    dim.set_dim_value(someInt(random));
}

void changeShape(pb::ModelProto &model, Random &random) {
  auto *record = someRecord(model, random);
  if (!record)
    return;
  auto *dims = record->mutable_type()
                   ->mutable_tensor_type()
                   ->mutable_shape()
                   ->mutable_dim();
  if (dims->empty() || random.oneIn(6))
    fillDim(*dims->Add(), random);
  else if (random.oneIn(6))
    dims->RemoveLast();
  else
    fillDim(*random.in(dims), random);
}

void changeElementType(pb::ModelProto &model, Random &random) {
  static const int32_t common[] = {1, 7, 9, 6, 16, 10, 11};
  if (auto *record = someRecord(model, random))
    record->mutable_type()->mutable_tensor_type()->set_elem_type(
        random.oneIn(3) ? random.below(27) : random.of(common));
}

void changeKind(pb::ModelProto &model, Random &random) {
  auto *record = someRecord(model, random);
  if (!record)
    return;
  auto *type = record->mutable_type();
  if (random.oneIn(2))
    type->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type();
  else if (random.oneIn(2))
    type->mutable_tensor_type()->clear_shape();
  else
    type->clear_value();
}

void renameRecord(pb::ModelProto &model, Random &random) {
  if (auto *record = someRecord(model, random))
    record->set_name(random.oneIn(3) ? changedText(record->name(), 64)
                                     : someValue(model.graph(), random));
}

void addOutput(pb::ModelProto &model, Random &random) {
  auto *record = model.mutable_graph()->add_output();
  record->set_name(someValue(model.graph(), random));
  record->mutable_type()->mutable_tensor_type()->set_elem_type(1);
}

void addInput(pb::ModelProto &model, Random &random) {
  auto *inputs = model.mutable_graph()->mutable_input();
  auto *like = random.in(inputs);
  pb::ValueInfoProto copy = like ? *like : pb::ValueInfoProto();
  copy.set_name(random.oneIn(2) ? someValue(model.graph(), random)
                                : copy.name() + "+");
  *inputs->Add() = copy;
}

void dropRecord(pb::ModelProto &model, Random &random) {
  auto *graph = model.mutable_graph();
  auto *records =
      random.oneIn(2) ? graph->mutable_output() : graph->mutable_input();
  if (!records->empty())
    records->DeleteSubrange(random.below(records->size()), 1);
}

void recordFolding(pb::ModelProto &model, Random &random) {
  auto *record = model.mutable_graph()->add_value_info();
  auto *tensor = random.in(model.mutable_graph()->mutable_initializer());
  record->set_name(tensor ? tensor->name() : "");
  auto *entry = record->add_metadata_props();
  entry->set_key("pkg.onnxscript.optimizer.folded_from");
  entry->set_value("['" + someValue(model.graph(), random) + "']");
  if (random.oneIn(3))
    entry->set_value(changedText(entry->value(), 128));
}
} // namespace

void fsdp::fuzz::addValueMutations(MutationTable &table) {
  for (Mutation mutation :
       {changeShape, changeShape, changeElementType, changeKind, renameRecord,
        addOutput, addInput, dropRecord, recordFolding})
    table.push_back(mutation);
}
