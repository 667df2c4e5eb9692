//===- ProtoTypes.h - Element types of the file -----------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_PROTOTYPES_H
#define FSDP_DIALECTS_ONNX_IMPORT_PROTOTYPES_H

#include "mlir/IR/BuiltinTypes.h"
#include <string>

namespace fsdp::onnx {
/// The type of an ONNX data type number, null for those that the dialect does
/// not have.
inline mlir::Type elementTypeOf(int32_t dataType, mlir::MLIRContext *context) {
  switch (dataType) {
  case 1:
    return mlir::Float32Type::get(context);
  case 3:
    return mlir::IntegerType::get(context, 8);
  case 6:
    return mlir::IntegerType::get(context, 32);
  case 7:
    return mlir::IntegerType::get(context, 64);
  case 9:
    return mlir::IntegerType::get(context, 1);
  case 10:
    return mlir::Float16Type::get(context);
  case 11:
    return mlir::Float64Type::get(context);
  case 16:
    return mlir::BFloat16Type::get(context);
  default:
    return {};
  }
}

/// What an error says of a data type that the dialect does not have: its name,
/// and the way out where there is one.
std::string describeUnsupportedType(int32_t dataType);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_PROTOTYPES_H
