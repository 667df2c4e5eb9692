//===- TokenFile.cpp - One file of tokens ---------------------------------===//

#include "io/TokenFile.h"

#include "io/TokenWidth.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

using namespace fsdprt;
namespace fs = std::filesystem;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static std::string endingOf(const std::string &path) {
  return fs::path(path).extension().string();
}

/// Numbers alone are expected; a header would be read as some of them.
static Status checkHasNoHeader(const InputFile &file, const char *remedy) {
  return isNpy(file) ? failure("'", file.path(),
                               "' has the header of a .npy file: ", remedy)
                     : Status();
}

static Status checkTokenizer(const std::string &path,
                             const std::string &tokenizer) {
  std::vector<std::string> endings = tokenEndings("");
  bool isText = std::count(endings.begin(), endings.end(), endingOf(path)) == 0;
  if (!isText && !tokenizer.empty())
    return failure("'", path, "' holds tokens, --tokenizer is for text");
  if (isText && tokenizer.empty())
    return failure("'", path,
                   "' is taken as text: give --tokenizer bytes, or tokens as "
                   ".u16, .u32, .npy or .bin");
  if (isText && tokenizer != "bytes")
    return failure("unknown tokenizer '", tokenizer, "', expected bytes");
  return Status();
}

static Expected<TokenLayout> layoutOf(const InputFile &file) {
  std::string ending = endingOf(file.path());
  if (ending == ".npy")
    return layoutOfNpy(file);
  if (ending == ".bin")
    return layoutOfBin(file);
  if (ending != ".u16" && ending != ".u32")
    return TokenLayout();
  FSDPRT_RETURN_IF_ERROR(checkHasNoHeader(
      file, "name it .npy, or write the numbers alone, as array.tofile does"));
  return TokenLayout{ending == ".u16" ? 2 : 4, 0, false};
}

Expected<TokenFile> TokenFile::open(const std::string &path,
                                    const std::string &tokenizer) {
  FSDPRT_RETURN_IF_ERROR(checkTokenizer(path, tokenizer));
  Expected<std::shared_ptr<InputFile>> opened = InputFile::open(path);
  if (!opened.ok())
    return opened.status();
  Expected<TokenLayout> layout = layoutOf(**opened);
  if (!layout.ok())
    return layout.status();
  TokenFile file;
  file.file = *opened;
  file.layout = *layout;
  int64_t bytes = file.file->size() - layout->dataOffset;
  if (bytes % layout->tokenBytes)
    return failure("'", path, "' has ", bytes, " bytes, not a multiple of ",
                   layout->tokenBytes);
  file.tokens = bytes / layout->tokenBytes;
  return file;
}

Status TokenFile::openLabels(const std::string &path) {
  Expected<std::shared_ptr<InputFile>> opened = InputFile::open(path);
  if (!opened.ok())
    return opened.status();
  FSDPRT_RETURN_IF_ERROR(checkHasNoHeader(
      **opened, "write the numbers alone, as array.tofile does"));
  if ((*opened)->size() != 4 * tokens)
    return failure("'", path, "' has ", (*opened)->size(),
                   " bytes, expected one int32 for each of the ", tokens,
                   " tokens of '", file->path(), "'",
                   (*opened)->size() == 8 * tokens
                       ? "; it looks like int64: write it as int32"
                       : "");
  labels = *opened;
  return Status();
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

TokenFile::Values<uint64_t> TokenFile::readTokens(int64_t first,
                                                  int64_t count) const {
  int width = layout.tokenBytes;
  std::vector<unsigned char> read(count * width);
  FSDPRT_RETURN_IF_ERROR(file->read(read.data(), byteOf(first), read.size()));
  std::vector<uint64_t> found(count);
  for (int64_t i = 0; i < count; ++i) // little-endian, as the host
    std::memcpy(&found[i], &read[i * width], width);
  return found;
}

TokenFile::Values<int32_t> TokenFile::readLabels(int64_t first,
                                                 int64_t count) const {
  std::vector<int32_t> found(count);
  FSDPRT_RETURN_IF_ERROR(labels->read(found.data(), 4 * first, 4 * count));
  return found;
}

std::string TokenFile::hint(int64_t vocabSize) const {
  if (layout.isDeclared)
    return "";
  std::vector<unsigned char> head(std::min(file->size(), kBytesThatTellWidth));
  if (!file->read(head.data(), 0, head.size()).ok())
    return "";
  return widthHint(head.data(), file->size(), layout.tokenBytes, vocabSize);
}

//===----------------------------------------------------------------------===//
// Folders
//===----------------------------------------------------------------------===//

std::vector<std::string> fsdprt::tokenEndings(const std::string &tokenizer) {
  if (!tokenizer.empty())
    return {".txt"};
  return {".u16", ".u32", ".npy", ".bin"};
}

Expected<std::vector<std::string>>
fsdprt::listDataFiles(const std::string &path,
                      const std::vector<std::string> &knownEndings) {
  std::error_code error;
  if (!fs::is_directory(path, error))
    return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name[0] != '.' &&
        std::count(knownEndings.begin(), knownEndings.end(), endingOf(name)))
      files.push_back(at->path().string());
  }
  if (error)
    return failure("cannot read folder '", path, "': ", error.message());
  std::string endings;
  for (const std::string &ending : knownEndings)
    endings += (endings.empty() ? "" : ", ") + ending;
  if (files.empty())
    return failure("folder '", path, "' has no file of data (", endings,
                   "); folders in it are not looked into");
  std::sort(files.begin(), files.end());
  return files;
}
