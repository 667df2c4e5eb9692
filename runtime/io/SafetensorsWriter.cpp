//===- SafetensorsWriter.cpp - Writing checkpoints ------------------------===//

#include "io/Safetensors.h"

#include "core/DType.h"
#include "core/Manifest.h"

#include <nlohmann/json.hpp>

#include <set>

using namespace fsdprt;

Expected<std::unique_ptr<SafetensorsWriter>>
SafetensorsWriter::create(const std::string &path,
                          const std::vector<Tensor> &tensors,
                          const std::map<std::string, std::string> &metadata) {
  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter());
  nlohmann::ordered_json header;
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  std::set<std::string> names;
  int64_t dataBytes = 0;
  for (const Tensor &tensor : tensors) {
    if (!names.insert(tensor.name).second)
      return failure("two parameters would be saved as '", tensor.name, "'");
    const DTypeInfo *info = lookupDType(tensor.dtype);
    int64_t bytes = productOf(tensor.shape) * info->size;
    header[tensor.name] = {{"dtype", info->safetensorsName},
                           {"shape", tensor.shape},
                           {"data_offsets", {dataBytes, dataBytes + bytes}}};
    writer->names.push_back(tensor.name);
    writer->offsets.push_back(dataBytes);
    writer->sizes.push_back(bytes);
    dataBytes += bytes;
  }
  std::string text = header.is_null() ? "{}" : header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' '); // the data starts aligned
  uint64_t length = text.size();
  for (int64_t &offset : writer->offsets)
    offset += 8 + length;
  writer->missing = writer->sizes;
  writer->path = path;
  Expected<std::unique_ptr<OutputFile>> file = OutputFile::create(path);
  Status status = file.status();
  if (file.ok()) {
    writer->file = std::move(*file);
    status = writer->file->write(&length, 0, 8);
  }
  if (status.ok())
    status = writer->file->write(text.data(), 8, int64_t(length));
  if (!status.ok())
    return failure("cannot write '", path, "': ", status.message());
  return writer;
}

Status SafetensorsWriter::write(size_t index, const void *data) {
  return writePart(index, 0, data, sizes[index]);
}

Status SafetensorsWriter::writePart(size_t index, int64_t at, const void *data,
                                    int64_t bytes) {
  if (Status status = file->write(data, offsets[index] + at, bytes);
      !status.ok())
    return failure("cannot write '", names[index], "' to '", path,
                   "': ", status.message());
  missing[index] -= bytes;
  return Status();
}

Status SafetensorsWriter::finish() {
  for (size_t i = 0; i < missing.size(); ++i)
    if (missing[i] > 0)
      return failure("cannot save '", path,
                     "': the program's export phase did not hand over '",
                     names[i], "'");
  if (Status status = file->finish(); !status.ok())
    return failure("cannot write '", path, "': ", status.message());
  return Status();
}
