//===- Mutation.h - Small changes of an ONNX model --------------*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_ONNX_MUTATION_H
#define FSDP_TEST_FUZZ_ONNX_MUTATION_H

#include "onnx-ml.pb.h"
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace fsdp::fuzz {
namespace pb = fsdp_onnx;

/// The choices of one mutation, from libFuzzer's seed alone.
class Random {
public:
  explicit Random(unsigned seed) : engine(seed) {}
  /// A number in [0, count); 0 where there is nothing to choose from.
  int below(int count) { return count > 1 ? int(engine() % count) : 0; }
  bool oneIn(int count) { return below(count) == 0; }
  template <typename T, size_t N> const T &of(const T (&table)[N]) {
    return table[below(N)];
  }
  template <typename Field> auto *in(Field *field) {
    return field->empty() ? nullptr : field->Mutable(below(field->size()));
  }

private:
  std::minstd_rand engine;
};

/// Numbers at which axes, extents, counts and offsets go wrong.
inline constexpr int64_t interesting[] = {0,
                                          1,
                                          -1,
                                          2,
                                          -2,
                                          3,
                                          4,
                                          -5,
                                          7,
                                          8,
                                          64,
                                          -100,
                                          255,
                                          1000,
                                          1 << 16,
                                          (int64_t(1) << 31) - 1,
                                          int64_t(1) << 31,
                                          -(int64_t(1) << 31),
                                          int64_t(1) << 32,
                                          int64_t(1) << 40,
                                          int64_t(1) << 62,
                                          std::numeric_limits<int64_t>::max(),
                                          std::numeric_limits<int64_t>::min()};

/// A small number mostly: what is valid leads on to the next stage.
int64_t someInt(Random &random);
/// `text` with bytes changed by libFuzzer.
std::string changedText(std::string text, size_t longest = 4096);
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
