//===- DTypes.cpp - Element types by name and number ----------------------===//
#include "passes/Support/DTypes.h"

#include "runtime/abi/fsdprt.h"

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
  if (name == "float16")
    return cast<FloatType>(Float16Type::get(context));
  return op->emitError() << flag << " '" << name
                         << "': unknown, expected float32, bfloat16 or float16";
}

int32_t fsdp::dtypeCode(Type type) {
  if (type.isF32())
    return FSDPRT_F32;
  if (type.isF64())
    return FSDPRT_F64;
  if (type.isBF16())
    return FSDPRT_BF16;
  if (type.isF16())
    return FSDPRT_F16;
  if (type.isInteger(64))
    return FSDPRT_I64;
  if (type.isInteger(32))
    return FSDPRT_I32;
  if (type.isInteger(8))
    return FSDPRT_I8;
  if (type.isInteger(1))
    return FSDPRT_BOOL;
  llvm_unreachable("the verifiers of dispatches admit rt::isStoredType alone");
}
