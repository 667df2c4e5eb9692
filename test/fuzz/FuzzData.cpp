//===- FuzzData.cpp - Any bytes as tokens and labels ----------------------===//

#include "ScratchFile.h"
#include "abi/fsdprt.h"
#include "io/TokenData.h"

#include <cstring>
#include <vector>

using namespace fsdprt;
using namespace fsdprt::test;

namespace {
/// The first bytes of an input say what is asked for, the rest is the file.
struct Request {
  uint8_t width, batch, seq, world, vocab, labelBytes, flags, step;
};
} // namespace

static Manifest manifestFor(const Request &request) {
  Manifest manifest;
  manifest.batch = 1 + request.batch % 4;
  manifest.seq = 1 + request.seq % 16;
  manifest.vocabSize = 1 + request.vocab * 3;
  manifest.tokenRows = manifest.vocabSize * (request.flags & 128 ? 2 : 1);
  manifest.labelsAreNextTokens = request.flags & 1;
  manifest.mesh = {{"shard", 1 + request.world % 3}};
  for (const char *role : {"tokens", "labels"}) {
    InputSpec input;
    input.name = input.role = role;
    input.place.dtype = request.flags & 2 ? FSDPRT_I64 : FSDPRT_I32;
    input.place.shape = {manifest.batch, manifest.seq};
    manifest.inputs.push_back(input);
  }
  return manifest;
}

/// Whatever is accepted gives batches of ids that the tables have, or says why
/// not.
static void readBatches(const Manifest &manifest, const TokenData &data,
                        int64_t step) {
  std::vector<int64_t> batch(manifest.batch * manifest.seq);
  for (const InputSpec &input : manifest.inputs) {
    if (!data.fill(input, step * data.rowsPerBatch(), batch.data()).ok())
      continue;
    for (size_t i = 0; i < batch.size(); ++i) {
      int64_t id = input.place.dtype == FSDPRT_I64
                       ? batch[i]
                       : reinterpret_cast<const int32_t *>(batch.data())[i];
      bool isLabel = input.role == "labels";
      int64_t end = isLabel ? manifest.vocabSize : manifest.tokenRows;
      bool isIgnored = isLabel && id == manifest.ignoreIndex;
      if (!isIgnored && (id < 0 || id >= end))
        std::abort();
    }
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const ScratchFile text(".txt"), narrow(".u16"), wide(".u32"),
      numpy(".npy"), binary(".bin"), labels(".i32");
  Request request;
  if (size < sizeof(request))
    return 0;
  std::memcpy(&request, bytes, sizeof(request));
  bytes += sizeof(request);
  size -= sizeof(request);
  Manifest manifest = manifestFor(request);
  const ScratchFile *kinds[] = {&text, &narrow, &wide, &numpy, &binary};
  const ScratchFile &file = *kinds[request.width % 5];
  bool hasLabels = request.flags & 4;
  size_t labelBytes = hasLabels ? size * request.labelBytes / 256 : 0;
  file.fill(bytes, size - labelBytes);
  labels.fill(bytes + size - labelBytes, labelBytes);
  TokenData::Options options;
  bool isMixed = request.flags & 16; // the file twice, as two sources
  for (int i = 0; i < (isMixed ? 2 : 1); ++i) {
    options.paths.push_back(file.path);
    if (hasLabels)
      options.labels.push_back(labels.path);
  }
  if (isMixed)
    options.weights = {1 + request.seq % 7, 2};
  options.tokenizer = &file == &text ? "bytes" : "";
  options.seed = request.step;
  options.shuffle = request.flags & 8;
  options.world = int(manifest.worldSize());
  for (options.rank = 0; options.rank < options.world; ++options.rank) {
    Expected<TokenData> data = TokenData::open(manifest, options);
    if (data.ok())
      readBatches(manifest, *data, request.step);
  }
  return 0;
}
