//===- TokenFile.h - One file of tokens -------------------------*- C++ -*-===//

#ifndef FSDPRT_IO_TOKENFILE_H
#define FSDPRT_IO_TOKENFILE_H

#include "io/TokenHeader.h"

namespace fsdprt {

/// What a labels file has where the loss does not count.
constexpr int32_t kIgnoredLabel = -100;

/// Text, or numbers that its name's ending tells the form of (.u16, .u32, .npy,
/// .bin), and the labels beside it where there are any. Read, not mapped: a
/// file that someone cuts short meanwhile is an error of the read.
class TokenFile {
public:
  template <typename T> using Values = Expected<std::vector<T>>;

  /// `tokenizer`: "bytes" for text, "" for tokens; the wrong one is refused.
  static Expected<TokenFile> open(const std::string &path,
                                  const std::string &tokenizer);
  /// One int32 for each of the tokens.
  Status openLabels(const std::string &path);

  const std::string &path() const { return file->path(); }
  const std::string &labelsPath() const { return labels->path(); }
  bool hasLabels() const { return labels != nullptr; }
  /// Tokens.
  int64_t size() const { return tokens; }
  int tokenBytes() const { return layout.tokenBytes; }
  /// Where a token stands in the file.
  int64_t byteOf(int64_t index) const {
    return layout.dataOffset + index * layout.tokenBytes;
  }

  /// `count` tokens from `first` on, or the labels beside them.
  Values<uint64_t> readTokens(int64_t first, int64_t count) const;
  Values<int32_t> readLabels(int64_t first, int64_t count) const;

  /// What to say of a file that is not what its name says; "" if nothing.
  std::string hint(int64_t vocabSize) const;

private:
  std::shared_ptr<InputFile> file, labels;
  TokenLayout layout;
  int64_t tokens = 0;
};

/// The files that an argument of --data or --labels stands for: itself, or, of
/// a folder, those in it whose names end so (".u16"), by name.
Expected<std::vector<std::string>>
listDataFiles(const std::string &path,
              const std::vector<std::string> &knownEndings);

/// The endings of files in a folder of data.
std::vector<std::string> tokenEndings(const std::string &tokenizer);

} // namespace fsdprt

#endif // FSDPRT_IO_TOKENFILE_H
