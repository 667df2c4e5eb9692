//===- Reader.h - Reading checkpoints ---------------------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_READER_H
#define FSDPRT_CHECKPOINT_READER_H

#include "checkpoint/Index.h"
#include "io/Safetensors.h"

#include <functional>
#include <list>
#include <map>

namespace fsdprt {

/// A complete checkpoint, of any mesh and placement. Not for several threads.
class CheckpointReader {
public:
  /// Reads the index, and compares the sizes of the files with it.
  static Expected<CheckpointReader> open(const std::string &folder);

  const CheckpointIndex &index() const { return contents; }
  const std::string &folder() const { return path; }

  /// The parameter that has this name among its own; null if none has.
  const CheckpointParameter *find(const std::string &name) const;

  /// Reads all of a file and compares its sum.
  Status checkSum(const CheckpointFile &file,
                  const std::function<void()> &onProgress) const;

  /// Elements [begin, end) of a plane, in the parameter's own order, as
  /// `dtype`.
  Status read(const std::string &plane, const CheckpointParameter &parameter,
              int64_t begin, int64_t end, int32_t dtype, void *to) const;

private:
  using Tensors = std::map<std::string, StoredTensor>;

  Expected<StoredTensor> partOf(const std::string &plane,
                                const CheckpointParameter &parameter,
                                size_t rank) const;
  Expected<const Tensors *> tensorsOf(size_t rank) const;
  Expected<std::shared_ptr<InputFile>> fileOf(size_t rank) const;

  std::string path;
  CheckpointIndex contents;
  std::map<std::string, size_t> byName;      // of contents.parameters
  mutable std::map<size_t, Tensors> tensors; // by rank, where needed; closed
  mutable std::list<std::pair<size_t, std::shared_ptr<InputFile>>>
      opened; // the newest use first
};

/// Whether a folder is a checkpoint, by its index.
bool isCheckpoint(const std::string &path);

/// The files of a checkpoint, its index among them.
Expected<std::vector<std::string>> listFiles(const std::string &checkpoint);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_READER_H
