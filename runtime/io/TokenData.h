//===- TokenData.h - Batches from a token file ------------------*- C++ -*-===//

#ifndef FSDPRT_IO_TOKENDATA_H
#define FSDPRT_IO_TOKENDATA_H

#include "core/Manifest.h"
#include "io/Permutation.h"
#include "io/Safetensors.h"

#include <memory>
#include <optional>

namespace fsdprt {

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
  /// What to say of a file that is not what its name says; "" if nothing.
  std::string hint() const;

private:
  /// `count` tokens from `first` on, or the labels beside them. Read, not
  /// mapped: a file that someone cuts short meanwhile is an error of the read.
  template <typename T> using Values = Expected<std::vector<T>>;
  Values<uint32_t> readTokens(int64_t first, int64_t count) const;
  Values<int32_t> readLabels(int64_t first, int64_t count) const;

  Status openLabels();
  Status checkData() const;
  /// Whether the token at a place of the file is in the tables it is looked up
  /// in, or, as a label, one of the classes.
  Status checkToken(int64_t index, int64_t token, bool isLabel) const;
  /// What the loss compares with for a label of the labels file.
  Expected<int64_t> classOf(int64_t index, int32_t label) const;
  /// One row of an input.
  Values<int64_t> row(int64_t first, bool isLabels) const;

  const Manifest *manifest = nullptr;
  Options options;
  std::shared_ptr<InputFile> file, labels;
  int tokenBytes = 1;
  int64_t tokens = 0, windows = 0;
  std::optional<Permutation> order; // none: file order
};

} // namespace fsdprt

#endif // FSDPRT_IO_TOKENDATA_H
