//===- DTypes.cpp - Element types by the names of flags -------------------===//
#include "passes/Support/DTypes.h"

using namespace mlir;

FailureOr<FloatType> fsdp::parseTrainingType(Operation *op, StringRef flag,
                                             StringRef name) {
  MLIRContext *context = op->getContext();
  if (name.empty())
    return FloatType();
  if (name == "float32")
    return cast<FloatType>(Float32Type::get(context));
  if (name == "bfloat16")
    return cast<FloatType>(BFloat16Type::get(context));
  return op->emitError() << flag << " '" << name
                         << "': unknown, expected float32 or bfloat16";
}
