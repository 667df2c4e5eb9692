//===- WireFormat.cpp - Places of tensor data in a serialized model -------===//
//
// The runtime reads a parameter's bytes from the .onnx itself, so the importer
// needs their offset, which protobuf's parser does not tell.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Graph.h"

using namespace fsdp::onnx;

namespace {
enum WireType { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
// Field numbers of onnx-ml.proto.
constexpr uint64_t modelGraph = 7, graphInitializer = 5, tensorFloatData = 4,
                   tensorRawData = 9;

/// Steps through the fields of one message.
struct FieldReader {
  llvm::StringRef data;
  size_t at, end;
  uint64_t number = 0;
  /// Place of the payload of a length-delimited field, else empty.
  bool isBytes = false;
  size_t payload = 0, length = 0;
  bool corrupt = false;

  FieldReader(llvm::StringRef data, size_t begin, size_t end)
      : data(data), at(begin), end(end) {}

  bool readVarint(uint64_t &value) {
    value = 0;
    for (int shift = 0; shift < 64 && at < end; shift += 7) {
      uint8_t byte = data[at++];
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return true;
    }
    return false;
  }

  bool skip(size_t count) {
    if (count > end - at)
      return false;
    at += count;
    return true;
  }

  /// Moves to the next field; false at the end or when the data are corrupt.
  bool next() {
    if (at >= end || corrupt)
      return false;
    uint64_t key, value;
    bool valid = readVarint(key);
    number = key >> 3;
    isBytes = (key & 7) == Bytes;
    switch (key & 7) {
    case Varint:
      valid = valid && readVarint(value);
      break;
    case Fixed64:
      valid = valid && skip(8);
      break;
    case Fixed32:
      valid = valid && skip(4);
      break;
    case Bytes:
      valid = valid && readVarint(value) && value <= end - at;
      payload = at;
      length = valid ? value : 0;
      at += length;
      break;
    default:
      valid = false;
    }
    corrupt = !valid;
    return valid;
  }
};
} // namespace

std::vector<RawPlace> fsdp::onnx::findInitializerData(llvm::StringRef model) {
  std::vector<RawPlace> places;
  FieldReader top(model, 0, model.size());
  while (top.next()) {
    if (!top.isBytes || top.number != modelGraph)
      continue;
    FieldReader graph(model, top.payload, top.payload + top.length);
    while (graph.next()) {
      if (!graph.isBytes || graph.number != graphInitializer)
        continue;
      RawPlace place;
      int chunks = 0;
      FieldReader tensor(model, graph.payload, graph.payload + graph.length);
      while (tensor.next())
        if (tensor.number == tensorRawData ||
            tensor.number == tensorFloatData) {
          // Data in several chunks, or not packed, have no single place.
          ++chunks;
          place.offset.reset();
          if (tensor.isBytes && chunks == 1) {
            place.offset = tensor.payload;
            place.bytes = tensor.length;
          }
        }
      places.push_back(place);
    }
  }
  return top.corrupt ? std::vector<RawPlace>() : places;
}
