//===- ProtoTensors.cpp - Tensor data in typed fields ---------------------===//
#include "dialects/Onnx/Import/ProtoTensors.h"

using namespace fsdp::onnx;
namespace pb = fsdp_onnx;

int64_t fsdp::onnx::elementBytes(int32_t type) {
  switch (type) {
  case pb::TensorProto::DOUBLE:
  case pb::TensorProto::INT64:
  case pb::TensorProto::UINT64:
    return 8;
  case pb::TensorProto::FLOAT:
  case pb::TensorProto::INT32:
  case pb::TensorProto::UINT32:
    return 4;
  case pb::TensorProto::FLOAT16:
  case pb::TensorProto::BFLOAT16:
  case pb::TensorProto::INT16:
  case pb::TensorProto::UINT16:
    return 2;
  case pb::TensorProto::INT8:
  case pb::TensorProto::UINT8:
  case pb::TensorProto::BOOL:
    return 1;
  default:
    return 0;
  }
}

template <typename T, typename Field>
static void appendRaw(std::string &out, const Field &field) {
  for (auto value : field) {
    T element = T(value);
    out.append(reinterpret_cast<const char *>(&element), sizeof(T));
  }
}

std::string fsdp::onnx::typedData(const pb::TensorProto &tensor) {
  std::string out;
  switch (tensor.data_type()) {
  case pb::TensorProto::FLOAT:
    appendRaw<float>(out, tensor.float_data());
    break;
  case pb::TensorProto::DOUBLE:
    appendRaw<double>(out, tensor.double_data());
    break;
  case pb::TensorProto::INT64:
    appendRaw<int64_t>(out, tensor.int64_data());
    break;
  case pb::TensorProto::UINT32:
  case pb::TensorProto::UINT64:
    if (tensor.data_type() == pb::TensorProto::UINT64)
      appendRaw<uint64_t>(out, tensor.uint64_data());
    else
      appendRaw<uint32_t>(out, tensor.uint64_data());
    break;
  default:
    switch (elementBytes(tensor.data_type())) {
    case 4:
      appendRaw<int32_t>(out, tensor.int32_data());
      break;
    case 2:
      appendRaw<int16_t>(out, tensor.int32_data());
      break;
    case 1:
      appendRaw<int8_t>(out, tensor.int32_data());
      break;
    }
  }
  return out;
}
