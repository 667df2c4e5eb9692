//===- TokenData.h - Batches from a token file ------------------*- C++ -*-===//

#ifndef FSDPRT_IO_TOKENDATA_H
#define FSDPRT_IO_TOKENDATA_H

#include "core/Manifest.h"
#include "io/Permutation.h"

#include <memory>
#include <optional>

namespace fsdprt {

/// A file mapped into memory. Its pages are given back after use (release), so
/// that a long file does not count as memory of the rank.
class MappedFile {
public:
  static Expected<std::shared_ptr<MappedFile>> open(const std::string &path);
  ~MappedFile();

  const unsigned char *data() const { return begin; }
  int64_t size() const { return bytes; }
  void release(int64_t offset, int64_t count) const;

private:
  MappedFile() = default;
  unsigned char *begin = nullptr;
  int64_t bytes = 0;
};

/// Windows of tokens. Window w holds tokens [w*seq, w*seq + seq]: the first seq
/// are the input, the last seq the targets. Row b of rank r at step s is window
/// (s*N + r)*batch + b, modulo floor((tokens - 1)/seq), of a permutation by
/// seed: with batch*N constant the same windows on any N.
class TokenData {
public:
  struct Options {
    std::string path;
    std::string tokenizer; // "bytes" for text
    std::string labels;    // "" or one int32 a token
    uint64_t seed = 0;
    bool shuffle = true;
    int rank = 0, world = 1;
  };

  static Expected<TokenData> open(const Manifest &manifest, Options options);

  /// Fills one of the program's inputs, rows of i64 or i32.
  Status fill(const InputSpec &input, int64_t step, void *to) const;

  int64_t numTokens() const { return tokens; }
  int64_t numWindows() const { return windows; }
  /// First token of a row's window.
  int64_t windowStart(int64_t step, int64_t row) const;

private:
  Status openLabels();
  Status checkData() const;
  uint32_t tokenAt(int64_t index) const;
  /// Whether a token is in the tables it is looked up in, or, as a label, one
  /// of the classes.
  Status checkToken(int64_t index, bool isLabel) const;
  /// What the loss compares with at a place of the files.
  Expected<int64_t> labelAt(int64_t index) const;

  const Manifest *manifest = nullptr;
  Options options;
  std::shared_ptr<MappedFile> file, labels;
  int tokenBytes = 1;
  int64_t tokens = 0, windows = 0;
  std::optional<Permutation> order; // none: file order
};

} // namespace fsdprt

#endif // FSDPRT_IO_TOKENDATA_H
