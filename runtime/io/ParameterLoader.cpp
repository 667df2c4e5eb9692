//===- ParameterLoader.cpp - First values of the parameters ---------------===//

#include "io/ParameterLoader.h"

#include "abi/SampledSum.h"
#include "core/DType.h"
#include "io/Philox.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

using namespace fsdprt;

using Origin = ParameterSpec::Origin;

// Files are read and converted in pieces of this size, so loading needs no
// memory worth planning.
static constexpr int64_t stagingBytes = 1 << 20;

//===----------------------------------------------------------------------===//
// Opening and checking
//===----------------------------------------------------------------------===//

Expected<ParameterLoader> ParameterLoader::create(const Manifest &manifest,
                                                  Options options) {
  ParameterLoader loader;
  loader.manifest = &manifest;
  loader.options = std::move(options);
  loader.stored.resize(manifest.parameters.size());
  if (isCheckpoint(loader.options.weights)) {
    FSDPRT_RETURN_IF_ERROR(loader.matchCheckpoint());
    return loader;
  }
  if (!loader.options.weights.empty()) {
    Expected<TensorFiles> files = TensorFiles::open(loader.options.weights);
    if (!files.ok())
      return files.status();
    FSDPRT_RETURN_IF_ERROR(loader.matchWeights(*files));
    return loader;
  }
  FSDPRT_RETURN_IF_ERROR(loader.openSources());
  return loader;
}

static Expected<const StoredTensor *> findAny(const TensorFiles &files,
                                              const ParameterSpec &spec) {
  // A tied parameter may be stored under one of its names only.
  for (const std::string &name : spec.names) {
    auto exact = files.all().find(name);
    if (exact != files.all().end())
      return &exact->second;
  }
  for (const std::string &name : spec.names) {
    Expected<const StoredTensor *> found = files.find(name);
    if (!found.ok() || *found)
      return found;
  }
  return static_cast<const StoredTensor *>(nullptr);
}

/// Under all names that the file has, a tied parameter has one value.
Status ParameterLoader::checkTied(const TensorFiles &files,
                                  const ParameterSpec &spec,
                                  const StoredTensor &tensor) const {
  for (const std::string &name : spec.names) {
    auto other = files.all().find(name);
    if (other == files.all().end() || &other->second == &tensor)
      continue;
    Expected<bool> equal = sameValues(spec, tensor, other->second);
    if (!equal.ok())
      return equal.status();
    if (!*equal)
      return failure("'", spec.names[0], "' and '", name,
                     "' are one parameter of the model, but differ in '",
                     options.weights,
                     "': leave the name out that is not to be used");
  }
  return Status();
}

Expected<bool> ParameterLoader::sameValues(const ParameterSpec &spec,
                                           const StoredTensor &a,
                                           const StoredTensor &b) const {
  if (a.shape != b.shape)
    return false;
  int64_t size = sizeOfDType(spec.dtype), elements = spec.numElements();
  int64_t piece = stagingBytes / size;
  std::vector<char> ours(stagingBytes), theirs(stagingBytes);
  for (int64_t at = 0; at < elements; at += piece) {
    int64_t end = std::min(at + piece, elements);
    FSDPRT_RETURN_IF_ERROR(readElements(a, at, end, spec.dtype, ours.data()));
    FSDPRT_RETURN_IF_ERROR(readElements(b, at, end, spec.dtype, theirs.data()));
    if (std::memcmp(ours.data(), theirs.data(), (end - at) * size) != 0)
      return false;
  }
  return true;
}

/// That what a file has for a parameter can be its value.
static Status checkLike(const ParameterSpec &spec,
                        const std::vector<int64_t> &shape, int32_t dtype,
                        const std::string &file) {
  if (shape != spec.shape)
    return failure("parameter '", spec.names[0], "' has shape ",
                   shapeString(shape), " in '", file, "', expected ",
                   shapeString(spec.shape));
  if (lookupDType(dtype)->isFloat != lookupDType(spec.dtype)->isFloat)
    return failure("parameter '", spec.names[0], "' has dtype ",
                   lookupDType(dtype)->name, " in '", file, "', expected ",
                   lookupDType(spec.dtype)->name);
  return Status();
}

namespace {
/// Names of parameters that a file lacks.
class Missing {
public:
  void add(const std::string &name) {
    if (++count <= 5)
      names += (names.empty() ? "'" : ", '") + name + "'";
  }
  /// A failure if there are any.
  Status of(const std::string &weights, size_t all) const {
    if (count == 0)
      return Status();
    return failure("'", weights, "' lacks ", count, " of ", all,
                   " parameters: ", names, count > 5 ? ", ..." : "");
  }

private:
  std::string names;
  int count = 0;
};
} // namespace

static const CheckpointParameter *findAny(const CheckpointReader &checkpoint,
                                          const ParameterSpec &spec) {
  for (const std::string &name : spec.names)
    if (const CheckpointParameter *found = checkpoint.find(name))
      return found;
  return nullptr;
}

Status ParameterLoader::matchCheckpoint() {
  Expected<CheckpointReader> opened = CheckpointReader::open(options.weights);
  if (!opened.ok())
    return opened.status();
  Missing missing;
  for (const ParameterSpec &spec : manifest->parameters) {
    if (spec.unit < 0)
      continue; // compiled in
    const CheckpointParameter *found = findAny(*opened, spec);
    if (!found)
      missing.add(spec.names[0]);
    else
      FSDPRT_RETURN_IF_ERROR(
          checkLike(spec, found->shape, found->dtype, options.weights));
  }
  saved = std::make_shared<const CheckpointReader>(std::move(*opened));
  return missing.of(options.weights, manifest->parameters.size());
}

Status ParameterLoader::matchWeights(const TensorFiles &files) {
  Missing missing;
  std::map<const StoredTensor *, std::string> users;
  for (size_t i = 0; i < manifest->parameters.size(); ++i) {
    const ParameterSpec &spec = manifest->parameters[i];
    if (spec.unit < 0)
      continue; // compiled in
    Expected<const StoredTensor *> found = findAny(files, spec);
    if (!found.ok())
      return found.status();
    if (!*found) {
      missing.add(spec.names[0]);
      continue;
    }
    const StoredTensor &tensor = **found;
    auto [user, isFirst] = users.try_emplace(*found, spec.names[0]);
    if (!isFirst)
      return failure("parameters '", user->second, "' and '", spec.names[0],
                     "' both match one tensor of '", tensor.file->path(),
                     "' by the end of their names: store each under its own");
    FSDPRT_RETURN_IF_ERROR(
        checkLike(spec, tensor.shape, tensor.dtype, tensor.file->path()));
    if (options.checksValues)
      FSDPRT_RETURN_IF_ERROR(checkTied(files, spec, tensor));
    stored[i] = tensor;
  }
  findUnused(files);
  return missing.of(options.weights, manifest->parameters.size());
}

/// A tied parameter may be there under each of its names.
void ParameterLoader::findUnused(const TensorFiles &files) {
  std::set<const StoredTensor *> known;
  for (const ParameterSpec &spec : manifest->parameters)
    for (const std::string &name : spec.names)
      if (Expected<const StoredTensor *> found = files.find(name); found.ok())
        known.insert(*found);
  for (const auto &[name, tensor] : files.all())
    if (!known.count(&tensor))
      unused.push_back(name);
}

/// Another model's file may have the same size.
static Status checkSum(const ParameterSpec &spec, const InputFile &file) {
  if (!spec.fileSum)
    return Status();
  Status status;
  uint64_t sum =
      sampledSum(spec.fileBytes, [&](int64_t at, int64_t count, char *to) {
        if (status.ok())
          status = file.read(to, spec.fileOffset + at, count);
      });
  FSDPRT_RETURN_IF_ERROR(status);
  if (sum != *spec.fileSum)
    return failure("'", spec.file, "' has other values of parameter '",
                   spec.names[0],
                   "' than when the program was compiled: compile the program "
                   "again, or give --weights");
  return Status();
}

Status ParameterLoader::openSources() {
  std::map<std::string, std::shared_ptr<InputFile>> files;
  for (size_t i = 0; i < manifest->parameters.size(); ++i) {
    const ParameterSpec &spec = manifest->parameters[i];
    if (spec.unit >= 0 && spec.origin == Origin::None)
      return failure("parameter '", spec.names[0],
                     "' has neither source nor initialiser; give --weights");
    if (spec.origin != Origin::File)
      continue;
    std::shared_ptr<InputFile> &file = files[spec.file];
    if (!file) {
      Expected<std::shared_ptr<InputFile>> opened = InputFile::open(spec.file);
      if (!opened.ok())
        return failure("parameter '", spec.names[0],
                       "': ", opened.status().message(),
                       "; give --weights if the model has moved");
      file = *opened;
    }
    // Offsets of a file written anew would read other tensors' bytes.
    if (spec.fileSize >= 0 && spec.fileSize != file->size())
      return failure("'", spec.file, "' has ", file->size(), " bytes, but had ",
                     spec.fileSize,
                     " when the program was compiled: parameter '",
                     spec.names[0],
                     "' is read from it; compile the program again, or give "
                     "--weights");
    if (spec.fileOffset > file->size() - spec.fileBytes)
      return failure("parameter '", spec.names[0], "' needs bytes [",
                     spec.fileOffset, ", ", spec.fileOffset + spec.fileBytes,
                     ") of '", spec.file, "', which has ", file->size());
    if (options.checksValues)
      FSDPRT_RETURN_IF_ERROR(checkSum(spec, *file));
    stored[i] = StoredTensor{file, spec.fileOffset, spec.dtype, spec.shape};
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// The file holds the transpose: its row j is our column j. Of each of its rows
/// only the piece that our rows cover is read.
Status ParameterLoader::readTransposed(const ParameterSpec &spec,
                                       const InputFile &file, int64_t begin,
                                       int64_t end, void *to) const {
  int64_t size = sizeOfDType(spec.dtype);
  int64_t rows = spec.shape[0], columns = spec.shape[1];
  int64_t firstRow = begin / columns, endRow = (end - 1) / columns + 1;
  int64_t blockRows = std::max<int64_t>(1, stagingBytes / size);
  std::vector<char> staging(std::min(blockRows, endRow - firstRow) * size);
  for (int64_t row = firstRow; row < endRow; row += blockRows) {
    int64_t count = std::min(blockRows, endRow - row);
    for (int64_t column = 0; column < columns; ++column) {
      FSDPRT_RETURN_IF_ERROR(file.read(
          staging.data(), spec.fileOffset + (column * rows + row) * size,
          count * size));
      for (int64_t i = 0; i < count; ++i) {
        int64_t element = (row + i) * columns + column;
        if (element >= begin && element < end)
          std::memcpy(static_cast<char *>(to) + (element - begin) * size,
                      staging.data() + i * size, size);
      }
    }
  }
  return Status();
}

static void fillConstant(int32_t dtype, double value, int64_t count, void *to) {
  const DTypeInfo *info = lookupDType(dtype);
  for (int64_t i = 0; i < count; ++i)
    info->store(static_cast<char *>(to) + i * info->size, value);
}

static void fillNormal(const ParameterSpec &spec, uint64_t seed, int64_t begin,
                       int64_t end, void *to) {
  const DTypeInfo *info = lookupDType(spec.dtype);
  uint64_t stream = hashName(spec.names[0]);
  for (int64_t group = begin / 4; group * 4 < end; ++group) {
    std::array<double, 4> values = normals(philoxOf(seed, stream, group));
    for (int lane = 0; lane < 4; ++lane) {
      int64_t element = group * 4 + lane;
      if (element >= begin && element < end)
        info->store(static_cast<char *>(to) + (element - begin) * info->size,
                    spec.mean + spec.stddev * values[lane]);
    }
  }
}

Status ParameterLoader::loadElements(int parameter, int64_t begin, int64_t end,
                                     void *to) const {
  const ParameterSpec &spec = manifest->parameters[parameter];
  if (begin >= end)
    return Status();
  if (saved)
    return saved->read(kParameterPlane, *findAny(*saved, spec), begin, end,
                       spec.dtype, to);
  if (const std::optional<StoredTensor> &tensor = stored[parameter]) {
    bool transposed = options.weights.empty() && spec.transposed;
    return transposed ? readTransposed(spec, *tensor->file, begin, end, to)
                      : readElements(*tensor, begin, end, spec.dtype, to);
  }
  int64_t size = sizeOfDType(spec.dtype);
  switch (spec.origin) {
  case Origin::Normal:
    fillNormal(spec, options.seed, begin, end, to);
    return Status();
  case Origin::Fill:
  case Origin::Constant:
    fillConstant(spec.dtype, spec.value, end - begin, to);
    return Status();
  case Origin::Data:
    std::memcpy(to, spec.data.data() + begin * size, (end - begin) * size);
    return Status();
  default:
    return failure("parameter '", spec.names[0], "' has no value");
  }
}

Status ParameterLoader::loadLine(int unit, int line, void *shard) const {
  if (unit < 0 || unit >= int(manifest->units.size()) || line < 0 ||
      line >= int(manifest->units[unit].lines.size()))
    return failure("unit ", unit, ", line ", line, " is not in the manifest");
  const LineSpec &spec = manifest->units[unit].lines[line];
  int64_t size = sizeOfDType(spec.dtype);
  std::memset(shard, 0, spec.shardElements * size);
  for (int index : spec.parameters) {
    OwnedElements owned =
        manifest->ownedElements(manifest->parameters[index], options.rank);
    FSDPRT_RETURN_IF_ERROR(
        loadElements(index, owned.begin, owned.end,
                     static_cast<char *>(shard) + owned.inShard * size));
    if (options.onProgress)
      options.onProgress();
  }
  return Status();
}
