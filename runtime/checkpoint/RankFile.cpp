//===- RankFile.cpp - A rank's file of a checkpoint -----------------------===//

#include "checkpoint/RankFile.h"

#include "checkpoint/IndexText.h"
#include "checkpoint/NewFile.h"
#include "core/DType.h"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace fsdprt;

/// The beginning of a safetensors file that holds `parts`, one after the other.
static std::string headerOf(const std::vector<StoredPart> &parts, int rank,
                            int64_t step) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", kCheckpointFormat},
                            {"rank", std::to_string(rank)},
                            {"step", std::to_string(step)}};
  int64_t at = 0;
  for (const StoredPart &part : parts) {
    header[part.name] = {{"dtype", lookupDType(part.dtype)->safetensorsName},
                         {"shape", {part.elements}},
                         {"data_offsets", {at, at + part.bytes()}}};
    at += part.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' '); // the data starts aligned
  uint64_t length = text.size();
  return std::string(reinterpret_cast<const char *>(&length), 8) + text;
}

static Status appendPart(NewFile &file, const StoredPart &part, char *staging,
                         int64_t stagingBytes, const ReadArena &read) {
  if (part.data)
    return file.append(part.data, part.bytes());
  for (int64_t at = 0; at < part.bytes(); at += stagingBytes) {
    int64_t count = std::min(stagingBytes, part.bytes() - at);
    FSDPRT_RETURN_IF_ERROR(read(part.arena, part.offset + at, count, staging));
    FSDPRT_RETURN_IF_ERROR(file.append(staging, count));
  }
  return Status();
}

Expected<WrittenFile>
fsdprt::writeRankFile(const std::string &folder, int rank, int64_t step,
                      const std::vector<StoredPart> &parts, char *staging,
                      int64_t stagingBytes, const ReadArena &read) {
  auto file = NewFile::create(folder + "/" + rankFileName(rank));
  if (!file.ok())
    return file.status();
  std::string header = headerOf(parts, rank, step);
  FSDPRT_RETURN_IF_ERROR(
      (*file)->append(header.data(), int64_t(header.size())));
  for (const StoredPart &part : parts)
    FSDPRT_RETURN_IF_ERROR(
        appendPart(**file, part, staging, stagingBytes, read));
  FSDPRT_RETURN_IF_ERROR((*file)->finish());
  return WrittenFile{(*file)->size(), (*file)->sum()};
}
