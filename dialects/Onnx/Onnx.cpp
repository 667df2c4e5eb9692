//===- Onnx.cpp - The onnx dialect ----------------------------------------===//
#include "dialects/Onnx/Onnx.h"

using namespace mlir;
using namespace fsdp::onnx;

#include "dialects/Onnx/OnnxDialect.cpp.inc"
#include "dialects/Onnx/OnnxInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOps.cpp.inc"

void OnnxDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOps.cpp.inc"
      >();
}

Operation *OnnxDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                            Type type, Location loc) {
  if (auto elements = dyn_cast<ElementsAttr>(value))
    return builder.create<ConstantOp>(loc, type, elements, "");
  return nullptr;
}

StringRef fsdp::onnx::getScope(Operation *op) {
  auto scope = op->getAttrOfType<StringAttr>("scope");
  return scope ? scope.getValue() : StringRef();
}
