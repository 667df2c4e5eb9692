//===- TokenData.cpp - Batches from a token file --------------------------===//

#include "io/TokenData.h"

#include "core/DType.h"
#include "io/TokenWidth.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace fsdprt;

/// What a labels file has where the loss does not count.
static constexpr int32_t kIgnoredLabel = -100;

//===----------------------------------------------------------------------===//
// Mapped files
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<MappedFile>>
MappedFile::open(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info = {};
  if (fd < 0 || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    std::string reason = fd >= 0 ? "not a regular file" : std::strerror(errno);
    if (fd >= 0)
      ::close(fd);
    return failure("cannot open '", path, "': ", reason);
  }
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->bytes = info.st_size;
  void *mapped = MAP_FAILED;
  if (file->bytes)
    mapped = ::mmap(nullptr, file->bytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (file->bytes && mapped == MAP_FAILED)
    return failure("cannot map '", path, "': ", std::strerror(errno));
  file->begin = file->bytes ? static_cast<unsigned char *>(mapped) : nullptr;
  return file;
}

MappedFile::~MappedFile() {
  if (begin)
    ::munmap(begin, bytes);
}

void MappedFile::release(int64_t offset, int64_t count) const {
  int64_t page = ::sysconf(_SC_PAGESIZE);
  int64_t from = offset / page * page;
  int64_t to = std::min(bytes, offset + count);
  if (to > from)
    ::madvise(begin + from, to - from, MADV_DONTNEED);
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Numbers alone are expected; a header would be read as some of them.
static Status checkHeader(const std::string &path, const MappedFile &file) {
  constexpr char npy[] = "\x93NUMPY";
  if (file.size() < 6 || std::memcmp(file.data(), npy, 6) != 0)
    return Status();
  return failure("'", path,
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
  Expected<std::shared_ptr<MappedFile>> file = MappedFile::open(path);
  if (!file.ok())
    return file.status();
  data.file = *file;
  if (data.tokenBytes > 1)
    FSDPRT_RETURN_IF_ERROR(checkHeader(path, *data.file));
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
  Expected<std::shared_ptr<MappedFile>> opened =
      MappedFile::open(options.labels);
  if (!opened.ok())
    return opened.status();
  labels = *opened;
  FSDPRT_RETURN_IF_ERROR(checkHeader(options.labels, *labels));
  if (labels->size() != 4 * tokens)
    return failure("'", options.labels, "' has ", labels->size(),
                   " bytes, expected one int32 for each of the ", tokens,
                   " tokens of '", options.path, "'",
                   labels->size() == 8 * tokens
                       ? "; it looks like int64: write it as int32"
                       : "");
  return Status();
}

uint32_t TokenData::tokenAt(int64_t index) const {
  const unsigned char *at = file->data() + index * tokenBytes;
  uint32_t value = 0;
  std::memcpy(&value, at, tokenBytes); // little-endian, as the host
  return value;
}

Status TokenData::checkToken(int64_t index, bool isLabel) const {
  int64_t token = tokenAt(index);
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
  return widthHint(file->data(), file->size(), tokenBytes, manifest->tokenRows);
}

Expected<int64_t> TokenData::labelAt(int64_t index) const {
  if (!labels) {
    FSDPRT_RETURN_IF_ERROR(checkToken(index, /*isLabel=*/true));
    return int64_t(tokenAt(index));
  }
  int32_t label;
  std::memcpy(&label, labels->data() + 4 * index, 4);
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
  constexpr int64_t mostBytes = 64 << 20;
  bool haveLabels = std::any_of(
      manifest->inputs.begin(), manifest->inputs.end(),
      [](const InputSpec &input) { return input.role == "labels"; });
  int64_t checked = std::min(tokens, mostBytes / tokenBytes);
  int64_t least = std::min(manifest->tokenRows, manifest->vocabSize);
  // The first token is nobody's next one.
  int64_t firstLabel = manifest->labelsAreNextTokens ? 1 : 0;
  for (int64_t i = 0; i < checked; ++i) {
    if (tokenAt(i) < uint64_t(least))
      continue;
    FSDPRT_RETURN_IF_ERROR(checkToken(i, /*isLabel=*/false));
    if (haveLabels && !labels && i >= firstLabel)
      FSDPRT_RETURN_IF_ERROR(checkToken(i, /*isLabel=*/true));
  }
  file->release(0, checked * tokenBytes);
  if (!haveLabels || !labels)
    return Status();
  checked = std::min(tokens, mostBytes / 4);
  for (int64_t i = 0; i < checked; ++i)
    FSDPRT_RETURN_IF_ERROR(labelAt(i).status());
  labels->release(0, 4 * checked);
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

Status TokenData::fill(const InputSpec &input, int64_t step, void *to) const {
  bool isLabels = input.role == "labels";
  bool wide = input.place.dtype == FSDPRT_I64;
  int64_t shift = isLabels && manifest->labelsAreNextTokens ? 1 : 0;
  int64_t seq = manifest->seq;
  for (int64_t row = 0; row < manifest->batch; ++row) {
    int64_t first = windowStart(step, row) + shift;
    for (int64_t i = 0; i < seq; ++i) {
      int64_t value = tokenAt(first + i);
      if (isLabels) {
        Expected<int64_t> label = labelAt(first + i);
        if (!label.ok())
          return label.status();
        value = *label;
      } else {
        FSDPRT_RETURN_IF_ERROR(checkToken(first + i, /*isLabel=*/false));
      }
      if (wide)
        static_cast<int64_t *>(to)[row * seq + i] = value;
      else
        static_cast<int32_t *>(to)[row * seq + i] = int32_t(value);
    }
    file->release(first * tokenBytes, seq * tokenBytes);
    if (isLabels && labels)
      labels->release(first * 4, seq * 4);
  }
  return Status();
}
