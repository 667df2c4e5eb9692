//===- Checkpoint.h - Saving the trained parameters -------------*- C++ -*-===//

#ifndef FSDPRT_IO_CHECKPOINT_H
#define FSDPRT_IO_CHECKPOINT_H

#include "core/Manifest.h"
#include "io/Safetensors.h"

namespace fsdprt {

/// Saves every parameter (a tied one under each of its names) and persistent
/// buffer, with the names and shapes PyTorch has, to one safetensors file.
class CheckpointSaver {
public:
  /// Checks names and the output folder without writing anything.
  static Status check(const Manifest &manifest, const std::string &path,
                      const std::string &stripPrefix);

  static Expected<std::unique_ptr<CheckpointSaver>>
  create(const Manifest &manifest, const std::string &path,
         const std::string &stripPrefix);

  /// `data` is the gathered line.
  Status storeLine(int unit, int line, const void *data);
  Status finish() { return writer->finish(); }

private:
  const Manifest *manifest = nullptr;
  std::unique_ptr<SafetensorsWriter> writer;
  std::vector<size_t> firstTensor; // of each parameter; one a name
};

} // namespace fsdprt

#endif // FSDPRT_IO_CHECKPOINT_H
