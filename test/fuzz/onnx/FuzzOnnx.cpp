//===- FuzzOnnx.cpp - Fuzzes the import of ONNX models --------------------===//
//
// Inputs are models; they are mutated as models, so most of them get past the
// parser. What cannot be parsed is mutated as bytes.
//
//===----------------------------------------------------------------------===//
#include "test/fuzz/ScratchFolder.h"
#include "test/fuzz/onnx/Check.h"

#include <cstring>

using namespace fsdp::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const ScratchFolder folder;
  static auto *checker = new Checker(folder.path);
  checker->check({reinterpret_cast<const char *>(data), size});
  return 0;
}

/// Writes the model into the buffer; 0 where it does not fit.
static size_t write(const pb::ModelProto &model, uint8_t *data,
                    size_t maxSize) {
  size_t size = model.ByteSizeLong();
  if (size > maxSize || !model.SerializePartialToArray(data, int(maxSize)))
    return 0;
  return size;
}

static bool parse(pb::ModelProto &model, const uint8_t *data, size_t size) {
  return model.ParseFromArray(data, int(size)) && model.has_graph();
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  Random random(seed);
  pb::ModelProto model;
  if (parse(model, data, size) && !random.oneIn(50)) {
    mutate(model, random);
    if (size_t written = write(model, data, maxSize))
      return written;
  }
  return LLVMFuzzerMutate(data, size, maxSize);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
                                            const uint8_t *data2, size_t size2,
                                            uint8_t *out, size_t maxSize,
                                            unsigned seed) {
  Random random(seed);
  pb::ModelProto model, other;
  if (!parse(model, data1, size1) || !parse(other, data2, size2))
    return 0;
  cross(model, other, random);
  return write(model, out, maxSize);
}
