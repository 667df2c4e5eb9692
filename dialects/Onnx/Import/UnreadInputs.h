//===- UnreadInputs.h - Tokens that nothing reads ---------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_UNREADINPUTS_H
#define FSDP_DIALECTS_ONNX_IMPORT_UNREADINPUTS_H

#include "dialects/Onnx/Import/Graph.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fsdp::onnx {
/// Fails, with one error at `loc`, where tokens or labels of the imported
/// `function` are read for their shape only: two inputs that were one tensor
/// when PyTorch exported the model are one value in the file, which the other
/// input's readers read too.
llvm::LogicalResult checkInputsAreRead(const Graph &graph,
                                       mlir::func::FuncOp function,
                                       mlir::Location loc);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_UNREADINPUTS_H
