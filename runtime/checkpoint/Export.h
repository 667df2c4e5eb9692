//===- Export.h - A checkpoint's parameters for other tools -----*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_EXPORT_H
#define FSDPRT_CHECKPOINT_EXPORT_H

#include "checkpoint/Reader.h"

#include <optional>

namespace fsdprt {

struct ExportOptions {
  int64_t mostBytes = 5000000000; // of the tensors in a file
  std::optional<int32_t> dtype;   // of floating-point tensors; none: as stored
  std::string stripPrefix;        // of names; "": none
  bool averaged = false;          // averages in place of trained parameters
};

/// Writes parameters and persistent buffers into a folder, as transformers
/// loads them: model.safetensors, or files of at most `mostBytes` each (but for
/// a tensor that is larger) and model.safetensors.index.json. A tied parameter
/// is there under each of its names. Makes the folder; one that has such files
/// already is refused. Returns the files.
Expected<std::vector<std::string>>
exportSafetensors(const CheckpointReader &checkpoint, const std::string &folder,
                  const ExportOptions &options);

/// Writes a copy of the ONNX file `model` that `program` was compiled from, and
/// of its external data, into a folder, with the checkpoint's values (with
/// `averaged` their averages) in the places where the program's parameters come
/// from. Refused where a parameter has no such place (the exporter left out its
/// zeros, say). Returns the files.
Expected<std::vector<std::string>>
exportOnnx(const CheckpointReader &checkpoint, const Manifest &program,
           const std::string &model, const std::string &folder, bool averaged);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_EXPORT_H
