//===- TokenData.cpp - Batches from token files ---------------------------===//

#include "io/TokenData.h"

#include "core/DType.h"
#include "io/FilesIdentity.h"
#include "io/Permutation.h"

#include <algorithm>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

Expected<TokenData> TokenData::open(const Manifest &manifest, Options options) {
  TokenData data;
  data.manifest = &manifest;
  data.options = std::move(options);
  FSDPRT_RETURN_IF_ERROR(data.openFiles());
  FSDPRT_RETURN_IF_ERROR(data.checkLength());
  FSDPRT_RETURN_IF_ERROR(data.openLabels());
  FSDPRT_RETURN_IF_ERROR(data.checkData());
  return data;
}

Status TokenData::openFiles() {
  bool isMixed = !options.weights.empty();
  for (const std::string &path : options.paths) {
    auto listed = listDataFiles(path, tokenEndings(options.tokenizer));
    if (!listed.ok())
      return listed.status();
    if (isMixed || sources.empty())
      sources.emplace_back();
    for (const std::string &name : *listed) {
      Expected<TokenFile> file = TokenFile::open(name, options.tokenizer);
      if (!file.ok())
        return file.status();
      files.push_back(*file);
      sources.back().files.push_back(files.size() - 1);
    }
  }
  for (Source &source : sources)
    for (size_t file : source.files)
      FSDPRT_RETURN_IF_ERROR(addWindows(source, file));
  if (isMixed)
    mixture.emplace(options.weights);
  return Status();
}

Status TokenData::addWindows(Source &source, size_t index) {
  const TokenFile &file = files[index];
  int64_t windows = std::max<int64_t>(0, file.size() - 1) / manifest->seq;
  if (windows == 0 && files.size() > 1)
    return failure("'", file.path(), "' has ", file.size(),
                   " tokens, fewer than a row of ", manifest->seq,
                   " and the next one, and rows do not cross files: leave it "
                   "out, or join it with another");
  source.ends.push_back(source.windows() + windows);
  return Status();
}

Status TokenData::checkLength() const {
  int64_t needed = rowsPerBatch();
  if (numWindows() >= needed)
    return Status();
  if (files.size() > 1)
    return failure("the ", files.size(), " files of --data, '", files[0].path(),
                   "' the first, are shorter than one batch: they have ",
                   numWindows(), " rows of ", manifest->seq,
                   " tokens, needed are ", needed, " (", manifest->batch,
                   " on each of ", options.world, " ranks)");
  return failure("'", files[0].path(), "' is shorter than one batch: it has ",
                 files[0].size(), " tokens, needed are ",
                 needed * manifest->seq + 1, " (", manifest->batch, " rows of ",
                 manifest->seq, " tokens on ", options.world, " ranks)");
}

Status TokenData::openLabels() {
  if (options.labels.empty())
    return Status();
  std::vector<std::string> paths;
  for (const std::string &path : options.labels) {
    auto listed = listDataFiles(path, {".i32"});
    if (!listed.ok())
      return listed.status();
    paths.insert(paths.end(), listed->begin(), listed->end());
  }
  if (paths.size() != files.size())
    return failure(
        "--labels has ", paths.size(), paths.size() == 1 ? " file" : " files",
        ", expected one for each of the ", files.size(),
        files.size() == 1 ? " file" : " files", " of --data, in their order");
  for (size_t i = 0; i < files.size(); ++i)
    FSDPRT_RETURN_IF_ERROR(files[i].openLabels(paths[i]));
  return Status();
}

//===----------------------------------------------------------------------===//
// Checking
//===----------------------------------------------------------------------===//

Status TokenData::checkToken(const TokenFile &file, int64_t index,
                             uint64_t token, bool isLabel) const {
  auto rows = uint64_t(manifest->tokenRows);
  auto classes = uint64_t(manifest->vocabSize);
  if (token < (isLabel ? classes : rows))
    return Status();
  std::string found = "token " + std::to_string(token) + " at position " +
                      std::to_string(index) + " (byte " +
                      std::to_string(file.byteOf(index)) + ") of '" +
                      file.path() + "' is ";
  if (token < rows)
    return failure(found, "a label, the next token, beyond the model's ",
                   classes, " classes: give --labels to train it on others");
  std::string widths = file.hint(manifest->tokenRows);
  return failure(found, "beyond the model's vocabulary of ", rows,
                 widths.empty() ? "" : "; ", widths);
}

Expected<uint64_t> TokenData::sum() const {
  std::vector<std::string> paths;
  for (const TokenFile &file : files) {
    paths.push_back(file.path());
    if (file.hasLabels())
      paths.push_back(file.labelsPath());
  }
  Expected<FilesIdentity> identity = identityOf(paths);
  return identity.ok() ? Expected<uint64_t>(identity->sum) : identity.status();
}

Expected<int64_t> TokenData::classOf(const TokenFile &file, int64_t index,
                                     int32_t label) const {
  // The file's mark, whatever number the program's loss ignores.
  if (label == kIgnoredLabel)
    return manifest->ignoreIndex;
  if (label < 0 || label >= manifest->vocabSize)
    return failure("label ", label, " at position ", index, " of '",
                   file.labelsPath(), "' is neither ", kIgnoredLabel,
                   " nor one of the model's ", manifest->vocabSize, " classes");
  return int64_t(label);
}

bool TokenData::haveLabels() const {
  return std::any_of(
      manifest->inputs.begin(), manifest->inputs.end(),
      [](const InputSpec &input) { return input.role == "labels"; });
}

static constexpr int64_t kPart = 1 << 16; // tokens at a time

Status TokenData::checkTokens(const TokenFile &file, int64_t count) const {
  bool areLabels = haveLabels() && !file.hasLabels();
  auto least = uint64_t(std::min(manifest->tokenRows, manifest->vocabSize));
  // The first token is nobody's next one.
  int64_t firstLabel = manifest->labelsAreNextTokens ? 1 : 0;
  for (int64_t first = 0; first < count; first += kPart) {
    auto read = file.readTokens(first, std::min(kPart, count - first));
    if (!read.ok())
      return read.status();
    for (size_t i = 0; i < read->size(); ++i) {
      int64_t at = first + int64_t(i);
      uint64_t token = (*read)[i];
      if (token < least)
        continue;
      FSDPRT_RETURN_IF_ERROR(checkToken(file, at, token, /*isLabel=*/false));
      if (areLabels && at >= firstLabel)
        FSDPRT_RETURN_IF_ERROR(checkToken(file, at, token, /*isLabel=*/true));
    }
  }
  return Status();
}

Status TokenData::checkLabels(const TokenFile &file, int64_t count) const {
  for (int64_t first = 0; first < count; first += kPart) {
    auto read = file.readLabels(first, std::min(kPart, count - first));
    if (!read.ok())
      return read.status();
    for (size_t i = 0; i < read->size(); ++i)
      FSDPRT_RETURN_IF_ERROR(
          classOf(file, first + int64_t(i), (*read)[i]).status());
  }
  return Status();
}

/// Looks through the beginning of the files, so that a wrong vocabulary shows
/// before training; every batch is checked again as it is used.
Status TokenData::checkData() const {
  int64_t mostBytes = (64 << 20) / int64_t(files.size());
  for (const TokenFile &file : files) {
    FSDPRT_RETURN_IF_ERROR(checkTokens(
        file, std::min(file.size(), mostBytes / file.tokenBytes())));
    if (haveLabels() && file.hasLabels())
      FSDPRT_RETURN_IF_ERROR(
          checkLabels(file, std::min(file.size(), mostBytes / 4)));
  }
  return Status();
}

std::string TokenData::hint() const {
  for (const TokenFile &file : files)
    if (std::string hint = file.hint(manifest->tokenRows); !hint.empty())
      return "'" + file.path() + "': " + hint;
  return "";
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

int64_t TokenData::numTokens() const {
  int64_t tokens = 0;
  for (const TokenFile &file : files)
    tokens += file.size();
  return tokens;
}

int64_t TokenData::numWindows() const {
  int64_t windows = 0;
  for (const Source &source : sources)
    windows += source.windows();
  return windows;
}

double TokenData::epochsOf(int64_t rows) const {
  double most = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    int64_t own = mixture ? mixture->rowsOf(i, rows) : rows;
    most = std::max(most, double(own) / double(sources[i].windows()));
  }
  return most;
}

TokenData::Window TokenData::windowOf(int64_t row) const {
  Mixture::Place place = mixture ? (*mixture)(row) : Mixture::Place{0, row};
  const Source &source = sources[place.source];
  int64_t epoch = place.row / source.windows();
  int64_t window = place.row % source.windows();
  if (options.shuffle)
    window = int64_t(Permutation(source.windows(), options.seed, epoch,
                                 place.source)(window));
  auto end = std::upper_bound(source.ends.begin(), source.ends.end(), window);
  size_t index = size_t(end - source.ends.begin());
  int64_t before = index == 0 ? 0 : source.ends[index - 1];
  return {&files[source.files[index]], (window - before) * manifest->seq};
}

Expected<std::vector<int64_t>>
TokenData::valuesOf(const TokenFile &file, int64_t first, bool isLabels) const {
  std::vector<int64_t> found;
  found.reserve(manifest->seq);
  if (isLabels && file.hasLabels()) {
    auto read = file.readLabels(first, manifest->seq);
    if (!read.ok())
      return read.status();
    for (size_t i = 0; i < read->size(); ++i) {
      Expected<int64_t> known = classOf(file, first + int64_t(i), (*read)[i]);
      if (!known.ok())
        return known.status();
      found.push_back(*known);
    }
    return found;
  }
  auto read = file.readTokens(first, manifest->seq);
  if (!read.ok())
    return read.status();
  for (size_t i = 0; i < read->size(); ++i)
    FSDPRT_RETURN_IF_ERROR(
        checkToken(file, first + int64_t(i), (*read)[i], isLabels));
  found.assign(read->begin(), read->end());
  return found;
}

Expected<std::vector<int64_t>> TokenData::valuesOfRow(const InputSpec &input,
                                                      int64_t row) const {
  bool isLabels = input.role == "labels";
  int64_t shift = isLabels && manifest->labelsAreNextTokens ? 1 : 0;
  Window window = windowOf(row);
  return valuesOf(*window.file, window.first + shift, isLabels);
}

Status TokenData::fillRows(const InputSpec &input, int64_t rows, void *to,
                           const ValuesOfRow &valuesOf) const {
  int64_t first = rows + options.rank * manifest->batch;
  for (int64_t i = 0; i < manifest->batch; ++i) {
    auto values = valuesOf(first + i);
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

Status TokenData::fill(const InputSpec &input, int64_t rows, void *to) const {
  return fillRows(input, rows, to,
                  [&](int64_t row) { return valuesOfRow(input, row); });
}

Status TokenData::fillOnce(const InputSpec &input, int64_t rows,
                           void *to) const {
  return fillRows(input, rows, to, [&](int64_t row) {
    auto values = valuesOfRow(input, row);
    if (values.ok() && input.role == "labels" && row >= numWindows())
      values->assign(values->size(), manifest->ignoreIndex);
    return values;
  });
}
