//===- Mutation.h - Small changes of an ONNX model --------------*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_ONNX_MUTATION_H
#define FSDP_TEST_FUZZ_ONNX_MUTATION_H

#include "test/fuzz/Random.h"

#include "onnx-ml.pb.h"
#include <string>
#include <vector>

namespace fsdp::fuzz {
namespace pb = fsdp_onnx;

/// A small number mostly: what is valid leads on to the next stage.
int64_t someInt(Random &random);
/// The name of any value of the graph: input, initializer, result, or none.
std::string someValue(const pb::GraphProto &graph, Random &random);
pb::NodeProto *someNode(pb::ModelProto &model, Random &random);
pb::TensorProto *someTensor(pb::ModelProto &model, Random &random);
/// Fills a small tensor, of the kinds that shapes and indices have.
void fillTensor(pb::TensorProto &tensor, Random &random);
/// An operator that the importer knows, or seldom another.
std::string someOperator(Random &random);

/// One small change; leaves the model alone where it has nothing to change.
using Mutation = void (*)(pb::ModelProto &model, Random &random);
using MutationTable = std::vector<Mutation>;

void addNodeMutations(MutationTable &table);
void addAttributeMutations(MutationTable &table);
void addTensorMutations(MutationTable &table);
void addValueMutations(MutationTable &table);
void addModelMutations(MutationTable &table);

/// Applies a few mutations.
void mutate(pb::ModelProto &model, Random &random);
/// Takes parts of `other` into `model`.
void cross(pb::ModelProto &model, const pb::ModelProto &other, Random &random);
} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_ONNX_MUTATION_H
