//===- ParameterLoader.h - First values of the parameters -------*- C++ -*-===//

#ifndef FSDPRT_IO_PARAMETERLOADER_H
#define FSDPRT_IO_PARAMETERLOADER_H

#include "checkpoint/Reader.h"
#include "core/Manifest.h"

#include <functional>
#include <optional>

namespace fsdprt {

/// Fills shards from the model's files, a weights file, or initialisers. A
/// rank reads only the bytes it owns, and random numbers depend on the global
/// element index, so values are the same on any world.
class ParameterLoader {
public:
  struct Options {
    uint64_t seed = 0;
    /// A safetensors file, an index or folder of such, or a checkpoint; "": the
    /// program's own sources and initialisers.
    std::string weights;
    int rank = 0;
    /// Looks also for values that are not those meant: of a model that has
    /// changed, of tied names that differ. One process looks for all.
    bool checksValues = true;
    std::function<void()> onProgress = {};
  };

  /// Opens every file and checks every name, shape, dtype and length, so that
  /// bad input fails before anything runs. `manifest` outlives the loader.
  static Expected<ParameterLoader> create(const Manifest &manifest,
                                          Options options);

  /// The checkpoint that the values are of; null if they are not of one.
  const CheckpointReader *checkpoint() const { return saved.get(); }

  /// What the weights have that is no parameter, by name.
  const std::vector<std::string> &unusedTensors() const { return unused; }

  /// Writes this rank's elements of a line; padding becomes 0.
  Status loadLine(int unit, int line, void *shard) const;

  /// Elements [begin, end) of a parameter, in its own flat order.
  Status loadElements(int parameter, int64_t begin, int64_t end,
                      void *to) const;

private:
  Status checkTied(const TensorFiles &files, const ParameterSpec &spec,
                   const StoredTensor &tensor) const;
  Expected<bool> sameValues(const ParameterSpec &spec, const StoredTensor &a,
                            const StoredTensor &b) const;
  Status matchWeights(const TensorFiles &files);
  void findUnused(const TensorFiles &files);
  Status matchCheckpoint();
  Status openSources();
  Status readTransposed(const ParameterSpec &spec, const InputFile &file,
                        int64_t begin, int64_t end, void *to) const;

  const Manifest *manifest = nullptr;
  Options options;
  std::vector<std::optional<StoredTensor>> stored; // by parameter
  std::vector<std::string> unused;
  std::shared_ptr<const CheckpointReader> saved; // instead of these
};

} // namespace fsdprt

#endif // FSDPRT_IO_PARAMETERLOADER_H
