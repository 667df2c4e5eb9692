//===- ExportOnnx.cpp - A checkpoint's parameters in an ONNX file ---------===//
//
// The program knows where in the model's files the bytes of each parameter are,
// so the files are copied and these bytes written over: all else of the model
// stays as its exporter wrote it.
//
//===----------------------------------------------------------------------===//

#include "abi/SampledSum.h"
#include "checkpoint/Export.h"
#include "checkpoint/Pieces.h"
#include "core/DType.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

using namespace fsdprt;
namespace fs = std::filesystem;

namespace {
/// A file of the model, and the copy that is made of it.
struct Copy {
  std::shared_ptr<InputFile> from;
  std::string path;
  std::unique_ptr<OutputFile> to;
};
using Copies = std::map<std::string, Copy>; // by the file's own name
} // namespace

static std::string nameOf(const std::string &path) {
  return fs::path(path).filename().string();
}

/// Files of external data are beside the model.
static Status addCopy(Copies &copies, const std::string &model,
                      const std::string &name, const std::string &folder) {
  if (copies.count(name))
    return Status();
  auto from = InputFile::open((fs::path(model).parent_path() / name).string());
  if (!from.ok())
    return from.status();
  std::string path = folder + "/" + name;
  std::error_code error;
  if (fs::exists(path, error))
    return failure("'", path, "' is there already; give another folder");
  auto to = OutputFile::create(path);
  if (!to.ok())
    return failure("cannot write '", path, "': ", to.status().message());
  copies[name] = {*from, path, std::move(*to)};
  return Status();
}

/// Another model's file may have the same size.
static Status checkSource(const ParameterSpec &spec, const InputFile &file) {
  auto differs = [&] {
    return failure("'", file.path(), "' is not the file that parameter '",
                   spec.names[0],
                   "' of the program was compiled from: give the same model");
  };
  if ((spec.fileSize >= 0 && spec.fileSize != file.size()) ||
      spec.fileOffset > file.size() - spec.fileBytes)
    return differs();
  if (!spec.fileSum)
    return Status();
  Status status;
  uint64_t sum =
      sampledSum(spec.fileBytes, [&](int64_t at, int64_t count, char *to) {
        if (status.ok())
          status = file.read(to, spec.fileOffset + at, count);
      });
  FSDPRT_RETURN_IF_ERROR(status);
  return sum == *spec.fileSum ? Status() : differs();
}

static Expected<const CheckpointParameter *>
findSaved(const CheckpointReader &checkpoint, const ParameterSpec &spec) {
  const CheckpointParameter *saved = checkpoint.find(spec.names[0]);
  if (!saved)
    return failure("checkpoint '", checkpoint.folder(), "' has no parameter '",
                   spec.names[0], "' of the program");
  if (saved->shape != spec.shape)
    return failure("parameter '", spec.names[0], "' has shape ",
                   shapeString(saved->shape), " in the checkpoint, expected ",
                   shapeString(spec.shape));
  return saved;
}

static Status writeTo(Copy &copy, const void *data, int64_t at, int64_t bytes) {
  Status status = copy.to->write(data, at, bytes);
  return status.ok()
             ? status
             : failure("cannot write '", copy.path, "': ", status.message());
}

/// The file holds the transpose: row i is a part of each of its rows.
static Status writeTransposed(const CheckpointReader &checkpoint,
                              const char *plane,
                              const CheckpointParameter &saved,
                              const ParameterSpec &spec, Copy &copy) {
  int64_t size = sizeOfDType(spec.dtype);
  int64_t rows = spec.shape[0], columns = spec.shape[1];
  int64_t block =
      std::max<int64_t>(1, kElementsOfPiece / std::max<int64_t>(1, columns));
  std::vector<char> piece(size_t(std::min(block, rows) * columns * size));
  std::vector<char> column(size_t(std::min(block, rows) * size));
  for (int64_t first = 0; first < rows; first += block) {
    int64_t count = std::min(block, rows - first);
    FSDPRT_RETURN_IF_ERROR(checkpoint.read(plane, saved, first * columns,
                                           (first + count) * columns,
                                           spec.dtype, piece.data()));
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(&column[size_t(i * size)],
                    &piece[size_t((i * columns + j) * size)], size_t(size));
      FSDPRT_RETURN_IF_ERROR(
          writeTo(copy, column.data(),
                  spec.fileOffset + (j * rows + first) * size, count * size));
    }
  }
  return Status();
}

static Status writeParameter(const CheckpointReader &checkpoint, bool averaged,
                             const ParameterSpec &spec, Copies &copies) {
  if (spec.origin != ParameterSpec::Origin::File)
    return failure("parameter '", spec.names[0],
                   "' does not stand in the model's file (the exporter left "
                   "its values out), so that it cannot be written into it: "
                   "export safetensors");
  Copy &copy = copies.at(nameOf(spec.file));
  FSDPRT_RETURN_IF_ERROR(checkSource(spec, *copy.from));
  auto saved = findSaved(checkpoint, spec);
  if (!saved.ok())
    return saved.status();
  const char *plane = exportedPlane(**saved, averaged);
  if (spec.transposed)
    return writeTransposed(checkpoint, plane, **saved, spec, copy);
  return inPieces(checkpoint, plane, **saved, spec.dtype,
                  [&](int64_t at, const void *data, int64_t bytes) {
                    return writeTo(copy, data, spec.fileOffset + at, bytes);
                  });
}

static Status copyAll(Copy &copy) {
  std::vector<char> piece(size_t(1) << 20);
  for (int64_t at = 0; at < copy.from->size(); at += int64_t(piece.size())) {
    int64_t count = std::min(int64_t(piece.size()), copy.from->size() - at);
    FSDPRT_RETURN_IF_ERROR(copy.from->read(piece.data(), at, count));
    FSDPRT_RETURN_IF_ERROR(writeTo(copy, piece.data(), at, count));
  }
  return Status();
}

Expected<std::vector<std::string>>
fsdprt::exportOnnx(const CheckpointReader &checkpoint, const Manifest &program,
                   const std::string &model, const std::string &folder,
                   bool averaged) {
  if (averaged)
    FSDPRT_RETURN_IF_ERROR(checkHasAverages(checkpoint.index()));
  if (nameOf(model) != program.model)
    return failure("'", program.folder, "' was compiled from '", program.model,
                   "', not from '", model, "': give that model");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return failure("cannot make folder '", folder, "': ", error.message());
  Copies copies;
  FSDPRT_RETURN_IF_ERROR(addCopy(copies, model, nameOf(model), folder));
  for (const ParameterSpec &spec : program.parameters)
    if (spec.origin == ParameterSpec::Origin::File)
      FSDPRT_RETURN_IF_ERROR(addCopy(copies, model, nameOf(spec.file), folder));
  for (auto &[name, copy] : copies)
    FSDPRT_RETURN_IF_ERROR(copyAll(copy));
  for (const ParameterSpec &spec : program.parameters)
    if (spec.unit >= 0)
      FSDPRT_RETURN_IF_ERROR(
          writeParameter(checkpoint, averaged, spec, copies));
  std::vector<std::string> files;
  for (auto &[name, copy] : copies) {
    if (Status status = copy.to->finish(); !status.ok())
      return failure("cannot write '", copy.path, "': ", status.message());
    files.push_back(copy.path);
  }
  return files;
}
