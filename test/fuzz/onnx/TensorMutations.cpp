//===- TensorMutations.cpp - Changes of initializers and constants --------===//
#include "test/fuzz/onnx/Mutation.h"

#include <cstring>

using namespace fsdp::fuzz;

namespace {
void changeDims(pb::ModelProto &model, Random &random) {
  auto *tensor = someTensor(model, random);
  if (!tensor)
    return;
  auto *dims = tensor->mutable_dims();
  if (dims->empty() || random.oneIn(4))
    dims->Add(random.oneIn(2) ? 1 : someInt(random));
  else if (random.oneIn(4))
    dims->RemoveLast();
  else
    dims->Set(random.below(dims->size()), someInt(random));
}

/// Another factorisation of the same number of elements: data stay right.
void reshape(pb::ModelProto &model, Random &random) {
  auto *tensor = someTensor(model, random);
  if (!tensor || tensor->dims_size() < 2)
    return;
  int i = random.below(tensor->dims_size()),
      j = random.below(tensor->dims_size());
  if (i == j || random.oneIn(2)) {
    tensor->mutable_dims()->SwapElements(i, j);
    return;
  }
  uint64_t joined = uint64_t(tensor->dims(i)) * uint64_t(tensor->dims(j));
  tensor->set_dims(i, int64_t(joined));
  tensor->set_dims(j, 1);
}

/// No element at all, dims and data alike.
void emptyTensor(pb::ModelProto &model, Random &random) {
  auto *tensor = someTensor(model, random);
  if (!tensor || !tensor->dims_size())
    return;
  tensor->set_dims(random.below(tensor->dims_size()), 0);
  tensor->clear_float_data();
  tensor->clear_int64_data();
  tensor->set_raw_data("");
}

void changeDataType(pb::ModelProto &model, Random &random) {
  if (auto *tensor = someTensor(model, random))
    tensor->set_data_type(random.oneIn(8) ? int32_t(someInt(random))
                                          : random.below(27));
}

void changeRawData(pb::ModelProto &model, Random &random) {
  auto *tensor = someTensor(model, random);
  if (!tensor)
    return;
  std::string data = tensor->raw_data();
  if (random.oneIn(4)) {
    data.resize(random.below(int(data.size()) + 9));
  } else if (tensor->data_type() == pb::TensorProto::INT64 &&
             data.size() >= sizeof(int64_t)) {
    int64_t value = someInt(random);
    int place = random.below(int(data.size() / sizeof(value)));
    memcpy(data.data() + place * sizeof(value), &value, sizeof(value));
  } else {
    size_t size = data.size();
    data = changedText(data, std::max<size_t>(size, 1));
    data.resize(size);
  }
  tensor->set_raw_data(data);
}

void changeTypedData(pb::ModelProto &model, Random &random) {
  auto *tensor = someTensor(model, random);
  if (!tensor)
    return;
  if (!tensor->int64_data().empty())
    tensor->set_int64_data(random.below(tensor->int64_data_size()),
                           someInt(random));
  else if (random.oneIn(2))
    tensor->add_int64_data(someInt(random));
  else
    tensor->add_float_data(float(someInt(random)));
}

void refill(pb::ModelProto &model, Random &random) {
  if (auto *tensor = someTensor(model, random))
    fillTensor(*tensor, random);
}

/// Records of data outside of the file; `data.bin` is there.
void makeExternal(pb::ModelProto &model, Random &random) {
  static const char *const keys[] = {"location", "offset", "length",
                                     "checksum"};
  static const char *const values[] = {
      "data.bin",    "none.bin",   "../data.bin",
      "/etc/passwd", "",           "0",
      "64",          "4096",       "-1",
      "16.0",        ".",          "48",
      "1e9",         "model.onnx", "9223372036854775807"};
  auto *tensor = someTensor(model, random);
  if (!tensor)
    return;
  tensor->set_data_location(pb::TensorProto::EXTERNAL);
  if (tensor->external_data().empty()) {
    auto *entry = tensor->add_external_data();
    entry->set_key("location");
    entry->set_value(random.oneIn(4) ? random.of(values) : "data.bin");
  }
  if (random.oneIn(3))
    return;
  auto *entry = random.oneIn(2) ? tensor->add_external_data()
                                : random.in(tensor->mutable_external_data());
  entry->set_key(random.of(keys));
  entry->set_value(random.oneIn(8) ? changedText(entry->value(), 64)
                                   : random.of(values));
}

void makeInternal(pb::ModelProto &model, Random &random) {
  if (auto *tensor = someTensor(model, random))
    tensor->clear_data_location();
}

void renameTensor(pb::ModelProto &model, Random &random) {
  static const char *const suffixes[] = {".weight", ".bias", "onnx::MatMul_7",
                                         "%\"' \n", "\xff"};
  auto *tensor = random.in(model.mutable_graph()->mutable_initializer());
  if (!tensor)
    return;
  std::string before = tensor->name();
  tensor->set_name(random.oneIn(3) ? changedText(before, 64)
                                   : before + random.of(suffixes));
  if (random.oneIn(3))
    return;
  for (auto &node : *model.mutable_graph()->mutable_node())
    for (std::string &input : *node.mutable_input())
      if (input == before)
        input = tensor->name();
}

void duplicateTensor(pb::ModelProto &model, Random &random) {
  auto *weights = model.mutable_graph()->mutable_initializer();
  auto *tensor = random.in(weights);
  if (!tensor)
    return;
  pb::TensorProto copy = *tensor;
  if (!random.oneIn(4))
    copy.set_name(copy.name() + "+");
  *weights->Add() = copy;
}

void deleteTensor(pb::ModelProto &model, Random &random) {
  auto *weights = model.mutable_graph()->mutable_initializer();
  if (!weights->empty())
    weights->DeleteSubrange(random.below(weights->size()), 1);
}

/// Two parameters with the same contents, which exporters merge.
void copyContents(pb::ModelProto &model, Random &random) {
  auto *from = someTensor(model, random), *to = someTensor(model, random);
  if (!from || !to || from == to)
    return;
  std::string name = to->name();
  *to = *from;
  to->set_name(name);
}
} // namespace

void fsdp::fuzz::addTensorMutations(MutationTable &table) {
  for (Mutation mutation :
       {changeDims, reshape, emptyTensor, changeDataType, changeRawData,
        changeRawData, changeTypedData, refill, makeExternal, makeInternal,
        renameTensor, duplicateTensor, deleteTensor, copyContents})
    table.push_back(mutation);
}
