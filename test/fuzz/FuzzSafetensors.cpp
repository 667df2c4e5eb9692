//===- FuzzSafetensors.cpp - Any bytes as a file of weights ---------------===//

#include "ScratchFile.h"
#include "core/DType.h"
#include "core/Manifest.h"
#include "io/Safetensors.h"

#include <vector>

using namespace fsdprt;
using namespace fsdprt::test;

/// Whatever is accepted can be read to its last byte.
static void readAll(const TensorFiles &files) {
  for (const auto &[name, tensor] : files.all()) {
    int64_t bytes = productOf(tensor.shape) * sizeOfDType(tensor.dtype);
    std::vector<char> data(bytes);
    if (!tensor.file->read(data.data(), tensor.offset, bytes).ok())
      std::abort();
    Expected<const StoredTensor *> found = files.find(name);
    if (!found.ok() || *found != &tensor)
      std::abort();
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const ScratchFile tensors(".safetensors"), index(".index.json");
  for (const ScratchFile *file : {&tensors, &index}) {
    file->fill(data, size);
    if (Expected<TensorFiles> files = TensorFiles::open(file->path); files.ok())
      readAll(*files);
  }
  return 0;
}
