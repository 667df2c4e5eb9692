//===- Register.cpp - Dialects and passes of the tools --------------------===//
#include "tools/Register.h"

#include "dialects/Onnx/Onnx.h"
#include "dialects/Train/Train.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/Passes.h"

void fsdp::registerAll(mlir::DialectRegistry &registry) {
  registry.insert<mlir::func::FuncDialect, onnx::OnnxDialect,
                  train::TrainDialect>();
  mlir::registerTransformsPasses();
}
