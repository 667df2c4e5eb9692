//===- TensorData.cpp - The bytes of tensors ------------------------------===//
#include "dialects/Onnx/Import/TensorData.h"
#include "dialects/Onnx/Import/ProtoTypes.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace fsdp::onnx;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

FailureOr<std::string> TensorData::externalFile(const TensorRecord &record) {
  // An input that is a parameter has no file at all.
  if (record.location.empty())
    return std::string();
  auto leaves = [&]() -> LogicalResult {
    return mlir::emitError(loc)
           << "external data of tensor '" << record.name << "' are at '"
           << record.location
           << "', which leaves the model's folder: expected a relative path "
              "inside it";
  };
  bool climbs = llvm::any_of(llvm::make_range(path::begin(record.location),
                                              path::end(record.location)),
                             [](StringRef part) { return part == ".."; });
  if (path::is_absolute(record.location) || climbs)
    return leaves();
  SmallString<256> file(graph.directory);
  path::append(file, record.location);
  if (!fs::exists(file))
    return std::string();
  // Links may point anywhere: what they resolve to decides.
  SmallString<256> realFile, realFolder;
  if (fs::real_path(file, realFile) ||
      fs::real_path(graph.directory, realFolder))
    return std::string();
  if (!StringRef(realFile).starts_with((realFolder + "/").str()))
    return leaves();
  uint64_t size = 0;
  if (!fs::is_regular_file(Twine(realFile)) || fs::file_size(realFile, size))
    return mlir::emitError(loc)
           << "external data of tensor '" << record.name << "' are at '"
           << record.location << "', which is not a regular file";
  uint64_t needed = uint64_t(*record.offset) + uint64_t(record.bytes);
  if (needed > size)
    return mlir::emitError(loc)
           << "external data of tensor '" << record.name << "' end at byte "
           << needed << " of '" << record.location << "', which has " << size
           << " bytes";
  return realFile.str().str();
}

FailureOr<StringRef> TensorData::bytes(const TensorRecord &record) {
  if (!record.external) {
    if (!record.offset)
      return StringRef(record.owned);
    return graph.file->getBuffer().substr(*record.offset, record.bytes);
  }
  FailureOr<std::string> name = externalFile(record);
  if (failed(name))
    return failure();
  if (name->empty())
    return mlir::emitError(loc)
           << "external data file '" << record.location << "' of tensor '"
           << record.name
           << "' is not there, and its contents are needed to compile: it is "
              "a constant or a buffer";
  std::unique_ptr<llvm::MemoryBuffer> &file = files[*name];
  if (!file) {
    auto opened = llvm::MemoryBuffer::getFile(*name, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!opened)
      return mlir::emitError(loc) << "cannot read '" << *name
                                  << "': " << opened.getError().message();
    file = std::move(*opened);
  }
  return file->getBuffer().substr(*record.offset, record.bytes);
}

template <typename T, typename Convert>
static void decode(StringRef data, Convert convert) {
  for (size_t i = 0; i + sizeof(T) <= data.size(); i += sizeof(T)) {
    T element;
    memcpy(&element, data.data() + i, sizeof(T));
    convert(element);
  }
}

FailureOr<Tensor> TensorData::load(const TensorRecord &record) {
  Type type = elementTypeOf(record.dataType, loc.getContext());
  if (!type)
    return mlir::emitError(loc) << "tensor '" << record.name << "' has "
                                << describeUnsupportedType(record.dataType);
  FailureOr<StringRef> data = bytes(record);
  if (failed(data))
    return failure();
  Tensor result(type, record.dims);
  auto addFloat = [&](auto value) { result.floats.push_back(value); };
  auto addInt = [&](auto value) { result.ints.push_back(value); };
  if (type.isF32()) {
    decode<float>(*data, addFloat);
  } else if (type.isF64()) {
    decode<double>(*data, addFloat);
  } else if (auto half = dyn_cast<FloatType>(type)) {
    decode<uint16_t>(*data, [&](uint16_t bits) {
      APFloat value(half.getFloatSemantics(), APInt(16, bits));
      bool losesInfo;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
      result.floats.push_back(value.convertToDouble());
    });
  } else {
    switch (type.getIntOrFloatBitWidth()) {
    case 64:
      decode<int64_t>(*data, addInt);
      break;
    case 32:
      decode<int32_t>(*data, addInt);
      break;
    case 8:
      decode<int8_t>(*data, addInt);
      break;
    default:
      decode<int8_t>(*data, [&](int8_t value) { addInt(value != 0); });
    }
  }
  return result;
}
