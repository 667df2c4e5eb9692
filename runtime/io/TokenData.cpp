//===- TokenData.cpp - Batches from a token file --------------------------===//

#include "io/TokenData.h"

#include "core/DType.h"
#include "io/TokenWidth.h"

#include <algorithm>
#include <cstring>

using namespace fsdprt;

/// What a labels file has where the loss does not count.
static constexpr int32_t kIgnoredLabel = -100;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Numbers alone are expected; a header would be read as some of them.
static Status checkHeader(const InputFile &file) {
  constexpr char npy[] = "\x93NUMPY";
  char head[6];
  if (file.size() < 6 || !file.read(head, 0, 6).ok() ||
      std::memcmp(head, npy, 6) != 0)
    return Status();
  return failure("'", file.path(),
                 "' has the header of a .npy file: write the numbers alone, "
                 "as array.tofile does");
}

Expected<TokenData> TokenData::open(const Manifest &manifest, Options options) {
  TokenData data;
  data.manifest = &manifest;
  data.options = std::move(options);
  const std::string &path = data.options.path;
  data.tokenBytes = endsWith(path, ".u16") ? 2 : endsWith(path, ".u32") ? 4 : 1;
  const std::string &tokenizer = data.options.tokenizer;
  if (data.tokenBytes > 1 && !tokenizer.empty())
    return failure("'", path, "' holds tokens, --tokenizer is for text");
  if (data.tokenBytes == 1 && tokenizer != "bytes")
    return failure(tokenizer.empty()
                       ? "'" + path +
                             "' is taken as text: give --tokenizer bytes, or "
                             "tokens as .u16 or .u32"
                       : "unknown tokenizer '" + tokenizer +
                             "', expected bytes");
  Expected<std::shared_ptr<InputFile>> file = InputFile::open(path);
  if (!file.ok())
    return file.status();
  data.file = *file;
  if (data.tokenBytes > 1)
    FSDPRT_RETURN_IF_ERROR(checkHeader(*data.file));
  if (data.file->size() % data.tokenBytes)
    return failure("'", path, "' has ", data.file->size(),
                   " bytes, not a multiple of ", data.tokenBytes);
  data.tokens = data.file->size() / data.tokenBytes;
  data.windows = std::max<int64_t>(0, data.tokens - 1) / manifest.seq;
  int64_t needed = manifest.batch * data.options.world;
  if (data.windows < needed)
    return failure("'", path, "' is shorter than one batch: it has ",
                   data.tokens, " tokens, needed are ",
                   needed * manifest.seq + 1, " (", manifest.batch, " rows of ",
                   manifest.seq, " tokens on ", data.options.world, " ranks)");
  if (data.options.shuffle)
    data.order.emplace(data.windows, data.options.seed);
  FSDPRT_RETURN_IF_ERROR(data.openLabels());
  FSDPRT_RETURN_IF_ERROR(data.checkData());
  return data;
}

Status TokenData::openLabels() {
  if (options.labels.empty())
    return Status();
  Expected<std::shared_ptr<InputFile>> opened = InputFile::open(options.labels);
  if (!opened.ok())
    return opened.status();
  labels = *opened;
  FSDPRT_RETURN_IF_ERROR(checkHeader(*labels));
  if (labels->size() != 4 * tokens)
    return failure("'", options.labels, "' has ", labels->size(),
                   " bytes, expected one int32 for each of the ", tokens,
                   " tokens of '", options.path, "'",
                   labels->size() == 8 * tokens
                       ? "; it looks like int64: write it as int32"
                       : "");
  return Status();
}

TokenData::Values<uint32_t> TokenData::readTokens(int64_t first,
                                                  int64_t count) const {
  std::vector<unsigned char> read(count * tokenBytes);
  FSDPRT_RETURN_IF_ERROR(
      file->read(read.data(), first * tokenBytes, read.size()));
  std::vector<uint32_t> found(count);
  for (int64_t i = 0; i < count; ++i) // little-endian, as the host
    std::memcpy(&found[i], &read[i * tokenBytes], tokenBytes);
  return found;
}

TokenData::Values<int32_t> TokenData::readLabels(int64_t first,
                                                 int64_t count) const {
  std::vector<int32_t> found(count);
  FSDPRT_RETURN_IF_ERROR(labels->read(found.data(), 4 * first, 4 * count));
  return found;
}

Status TokenData::checkToken(int64_t index, int64_t token, bool isLabel) const {
  if (token < (isLabel ? manifest->vocabSize : manifest->tokenRows))
    return Status();
  std::string found = "token " + std::to_string(token) + " at position " +
                      std::to_string(index) + " (byte " +
                      std::to_string(index * tokenBytes) + ") of '" +
                      options.path + "' is ";
  if (token < manifest->tokenRows)
    return failure(found, "a label, the next token, beyond the model's ",
                   manifest->vocabSize,
                   " classes: give --labels to train it on others");
  std::string widths = hint();
  return failure(found, "beyond the model's vocabulary of ",
                 manifest->tokenRows, widths.empty() ? "" : "; ", widths);
}

std::string TokenData::hint() const {
  std::vector<unsigned char> head(std::min(file->size(), kBytesThatTellWidth));
  if (!file->read(head.data(), 0, head.size()).ok())
    return "";
  return widthHint(head.data(), file->size(), tokenBytes, manifest->tokenRows);
}

Expected<int64_t> TokenData::classOf(int64_t index, int32_t label) const {
  // The file's mark, whatever number the program's loss ignores.
  if (label == kIgnoredLabel)
    return manifest->ignoreIndex;
  if (label < 0 || label >= manifest->vocabSize)
    return failure("label ", label, " at position ", index, " of '",
                   options.labels, "' is neither ", kIgnoredLabel,
                   " nor one of the model's ", manifest->vocabSize, " classes");
  return int64_t(label);
}

/// Looks through the beginning of the files, so that a wrong vocabulary shows
/// before training; every batch is checked again as it is used.
Status TokenData::checkData() const {
  constexpr int64_t mostBytes = 64 << 20, part = 1 << 16; // tokens at a time
  bool haveLabels = std::any_of(
      manifest->inputs.begin(), manifest->inputs.end(),
      [](const InputSpec &input) { return input.role == "labels"; });
  int64_t least = std::min(manifest->tokenRows, manifest->vocabSize);
  // The first token is nobody's next one.
  int64_t firstLabel = manifest->labelsAreNextTokens ? 1 : 0;
  int64_t checked = std::min(tokens, mostBytes / tokenBytes);
  for (int64_t first = 0; first < checked; first += part) {
    Values<uint32_t> read = readTokens(first, std::min(part, checked - first));
    if (!read.ok())
      return read.status();
    for (size_t i = 0; i < read->size(); ++i) {
      int64_t at = first + int64_t(i), token = (*read)[i];
      if (token < least)
        continue;
      FSDPRT_RETURN_IF_ERROR(checkToken(at, token, /*isLabel=*/false));
      if (haveLabels && !labels && at >= firstLabel)
        FSDPRT_RETURN_IF_ERROR(checkToken(at, token, /*isLabel=*/true));
    }
  }
  checked = haveLabels && labels ? std::min(tokens, mostBytes / 4) : 0;
  for (int64_t first = 0; first < checked; first += part) {
    Values<int32_t> read = readLabels(first, std::min(part, checked - first));
    if (!read.ok())
      return read.status();
    for (size_t i = 0; i < read->size(); ++i)
      FSDPRT_RETURN_IF_ERROR(classOf(first + int64_t(i), (*read)[i]).status());
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

int64_t TokenData::windowStart(int64_t step, int64_t row) const {
  int64_t index =
      ((step * options.world + options.rank) * manifest->batch + row) % windows;
  return (order ? int64_t((*order)(index)) : index) * manifest->seq;
}

TokenData::Values<int64_t> TokenData::row(int64_t first, bool isLabels) const {
  std::vector<int64_t> found;
  found.reserve(manifest->seq);
  if (isLabels && labels) {
    Values<int32_t> read = readLabels(first, manifest->seq);
    if (!read.ok())
      return read.status();
    for (size_t i = 0; i < read->size(); ++i) {
      Expected<int64_t> known = classOf(first + int64_t(i), (*read)[i]);
      if (!known.ok())
        return known.status();
      found.push_back(*known);
    }
    return found;
  }
  Values<uint32_t> read = readTokens(first, manifest->seq);
  if (!read.ok())
    return read.status();
  for (size_t i = 0; i < read->size(); ++i)
    FSDPRT_RETURN_IF_ERROR(
        checkToken(first + int64_t(i), (*read)[i], isLabels));
  found.assign(read->begin(), read->end());
  return found;
}

Status TokenData::fill(const InputSpec &input, int64_t step, void *to) const {
  bool isLabels = input.role == "labels";
  int64_t shift = isLabels && manifest->labelsAreNextTokens ? 1 : 0;
  for (int64_t i = 0; i < manifest->batch; ++i) {
    Values<int64_t> values = row(windowStart(step, i) + shift, isLabels);
    if (!values.ok())
      return values.status();
    int64_t place = i * manifest->seq;
    if (input.place.dtype == FSDPRT_I64)
      std::copy(values->begin(), values->end(),
                static_cast<int64_t *>(to) + place);
    else
      std::copy(values->begin(), values->end(),
                static_cast<int32_t *>(to) + place);
  }
  return Status();
}
