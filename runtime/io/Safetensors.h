//===- Safetensors.h - Reading weights, writing checkpoints -----*- C++ -*-===//
//
// safetensors: a little-endian u64 with the header's length, a JSON header
// {name: {dtype, shape, data_offsets}}, then the data, C order, no holes.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_IO_SAFETENSORS_H
#define FSDPRT_IO_SAFETENSORS_H

#include "core/Status.h"
#include "io/OutputFile.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace fsdprt {

/// An open file; reads do not move a position, so threads may share it.
class InputFile {
public:
  static Expected<std::shared_ptr<InputFile>> open(const std::string &path);
  ~InputFile();

  const std::string &path() const { return name; }
  int64_t size() const { return bytes; }
  Status read(void *to, int64_t offset, int64_t count) const;

private:
  InputFile() = default;
  /// Why nothing could be read before the byte that was needed.
  Status tooShort(int64_t needed) const;

  std::string name;
  int fd = -1;
  int64_t bytes = 0;
};

struct StoredTensor {
  std::shared_ptr<InputFile> file;
  int64_t offset = 0; // bytes in the file
  int32_t dtype = 0;
  std::vector<int64_t> shape;
};

/// Elements [begin, end) of a tensor's flat order, as `dtype`. Converts in
/// pieces, so it needs no memory worth planning.
Status readElements(const StoredTensor &tensor, int64_t begin, int64_t end,
                    int32_t dtype, void *to);

/// The tensors of a safetensors file, or of all the files that a Hugging Face
/// index (`*.index.json`) or a folder with one lists.
class TensorFiles {
public:
  static Expected<TensorFiles> open(const std::string &path);
  /// The files that open() reads, an index among them.
  static Expected<std::vector<std::string>> list(const std::string &path);

  /// By exact name, else the one tensor whose name ends in ".name" or which
  /// `name` ends in ".tensor name" of. Null: none. More than one: a failure.
  Expected<const StoredTensor *> find(const std::string &name) const;
  const std::map<std::string, StoredTensor> &all() const { return tensors; }

private:
  Status addFile(const std::string &path);

  std::map<std::string, StoredTensor> tensors;
};

/// Writes a file of known tensors in any order of their data. finish() gives it
/// its name, which never holds half of one. Dropped without, nothing stays.
class SafetensorsWriter {
public:
  struct Tensor {
    std::string name;
    int32_t dtype = 0;
    std::vector<int64_t> shape;
  };

  /// `metadata`: of the whole file, strings by name.
  static Expected<std::unique_ptr<SafetensorsWriter>>
  create(const std::string &path, const std::vector<Tensor> &tensors,
         const std::map<std::string, std::string> &metadata = {});

  /// The whole data of tensor number `index`.
  Status write(size_t index, const void *data);
  /// Bytes [at, at + bytes) of it; each is written once.
  Status writePart(size_t index, int64_t at, const void *data, int64_t bytes);
  /// Checks that all were written; syncs, renames, syncs the folder.
  Status finish();

private:
  SafetensorsWriter() = default;

  std::string path;
  std::unique_ptr<OutputFile> file;
  std::vector<std::string> names;
  std::vector<int64_t> offsets, sizes; // bytes in the file
  std::vector<int64_t> missing;        // bytes that are not written yet
};

} // namespace fsdprt

#endif // FSDPRT_IO_SAFETENSORS_H
