//===- TokenData.h - Batches from token files -------------------*- C++ -*-===//

#ifndef FSDPRT_IO_TOKENDATA_H
#define FSDPRT_IO_TOKENDATA_H

#include "core/Manifest.h"
#include "io/Mixture.h"
#include "io/TokenFile.h"

#include <functional>
#include <optional>

namespace fsdprt {

/// Windows of tokens. Window w of a file holds its tokens [w*seq, w*seq + seq]:
/// the first seq are the input, the last seq the targets; none crosses the end
/// of a file.
///
/// The rows of a run are counted over all ranks. Of its rows from R on, a batch
/// (a step, or each of its microbatches) of N ranks takes batch*N: rank r those
/// from R + r*batch on. Row i is window i modulo their number, in an order that
/// the seed chooses for each pass anew. So what a run reads from a row on
/// depends neither on its ranks nor on its steps. With weights, each source (a
/// file or a folder) has windows and an order of its own, and a Mixture says
/// which source a row is from.
class TokenData {
public:
  struct Options {
    std::vector<std::string> paths;  // files, and folders of files
    std::string tokenizer;           // "bytes" for text
    std::vector<std::string> labels; // none, or one int32 a token, file by file
    uint64_t seed = 0;
    bool shuffle = true;
    int rank = 0, world = 1;
    std::vector<int64_t> weights = {}; // of the paths; none: as they are long
  };

  static Expected<TokenData> open(const Manifest &manifest, Options options);

  /// Fills one of the program's inputs, rows of i64 or i32: this rank's part of
  /// the batch that begins behind the `rows` that all ranks have had so far.
  Status fill(const InputSpec &input, int64_t rows, void *to) const;
  /// The same of data that is passed over once, in the files' order: behind its
  /// last row labels are ones that the loss does not count.
  Status fillOnce(const InputSpec &input, int64_t rows, void *to) const;
  /// Rows that a batch of all ranks takes.
  int64_t rowsPerBatch() const { return manifest->batch * options.world; }

  int64_t numTokens() const;
  int64_t numWindows() const;
  size_t numFiles() const { return files.size(); }
  /// How often the first `rows` rows have passed over the data; of several
  /// sources, over the one that is passed over most often.
  double epochsOf(int64_t rows) const;

  struct Window {
    const TokenFile *file;
    int64_t first; // token
  };
  /// The window of a row.
  Window windowOf(int64_t row) const;

  /// Over samples of all files and labels, in order.
  Expected<uint64_t> sum() const;
  /// What to say of files that are not what their names say; "" if nothing.
  std::string hint() const;

private:
  /// Files whose windows are one sequence.
  struct Source {
    std::vector<size_t> files;
    std::vector<int64_t> ends; // windows in all files up to each
    int64_t windows() const { return ends.empty() ? 0 : ends.back(); }
  };

  Status openFiles();
  Status openLabels();
  Status addWindows(Source &source, size_t file);
  Status checkLength() const;
  Status checkData() const;
  Status checkTokens(const TokenFile &file, int64_t count) const;
  Status checkLabels(const TokenFile &file, int64_t count) const;
  /// Whether the token at a place of the file is in the tables it is looked up
  /// in, or, as a label, one of the classes.
  Status checkToken(const TokenFile &file, int64_t index, uint64_t token,
                    bool isLabel) const;
  /// What the loss compares with for a label of the labels file.
  Expected<int64_t> classOf(const TokenFile &file, int64_t index,
                            int32_t label) const;
  bool haveLabels() const;
  /// The values of a row of an input, its first to its last.
  using ValuesOfRow =
      std::function<Expected<std::vector<int64_t>>(int64_t row)>;
  Status fillRows(const InputSpec &input, int64_t rows, void *to,
                  const ValuesOfRow &valuesOf) const;
  Expected<std::vector<int64_t>> valuesOfRow(const InputSpec &input,
                                             int64_t row) const;
  /// One row of an input.
  Expected<std::vector<int64_t>> valuesOf(const TokenFile &file, int64_t first,
                                          bool isLabels) const;

  const Manifest *manifest = nullptr;
  Options options;
  std::vector<TokenFile> files;
  std::vector<Source> sources;
  std::optional<Mixture> mixture; // of sources, where there are several
};

} // namespace fsdprt

#endif // FSDPRT_IO_TOKENDATA_H
