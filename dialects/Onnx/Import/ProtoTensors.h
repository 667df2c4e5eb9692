//===- ProtoTensors.h - Tensor data in typed fields -------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_PROTOTENSORS_H
#define FSDP_DIALECTS_ONNX_IMPORT_PROTOTENSORS_H

#include "onnx-ml.pb.h"
#include <cstdint>
#include <string>

namespace fsdp::onnx {
/// Bytes of an element of an ONNX data type, 0 for those not stored as such.
int64_t elementBytes(int32_t type);

/// The data of a tensor held in one of the typed fields, as raw bytes.
std::string typedData(const fsdp_onnx::TensorProto &tensor);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_PROTOTENSORS_H
