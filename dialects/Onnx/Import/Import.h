//===- Import.h - From an ONNX file to the onnx dialect ---------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_IMPORT_H
#define FSDP_DIALECTS_ONNX_IMPORT_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fsdp::onnx {
struct ImportOptions {
  /// Extents of symbolic dimensions, by name (`batch`) or by place
  /// (`input_ids:0`).
  std::vector<std::pair<std::string, int64_t>> dims;
  /// Inputs fixed to a constant fill (`attention_mask=1`).
  std::vector<std::pair<std::string, int64_t>> binds;
  /// Patterns of inputs and initializers that are parameters.
  std::vector<std::string> paramPatterns;
  /// Patterns of parameters that are not trained.
  std::vector<std::string> freezePatterns;
  /// If there are any, only parameters that match one are trained.
  std::vector<std::string> trainPatterns;
  /// Two names of one parameter each, where the file does not say so.
  std::vector<std::pair<std::string, std::string>> ties;
  /// Patterns of parameters that nothing reads and that are left out.
  std::vector<std::string> dropPatterns;
  /// Names of parameters in the file, or of what folding made of them, and
  /// what they are called in the model.
  std::vector<std::pair<std::string, std::string>> renames;
  /// Rows of embeddings that get no gradient, by the table's name (nothing:
  /// all rows get one), where the file does not say.
  std::vector<std::pair<std::string, std::optional<int64_t>>> paddingRows;
  /// Values from which no gradient flows back, by ONNX name.
  std::vector<std::string> stopGradients;
  /// Whether what becomes of the module gives a name to something else, so that
  /// no parameter may have it (null: none).
  bool (*isTaken)(llvm::StringRef name) = nullptr;
  /// Keep a head apart from an embedding with the same contents.
  bool untie = false;
  /// Initialise parameters whose external file is not there.
  bool init = false;
};

/// Reads the model at `path`: a module of `onnx.parameter`s and one function
/// @forward, a straight line of canonical ops with static shapes; operators
/// outside the set are `onnx.node`s. The module's `onnx.dropped` lists what was
/// left out of it on request. Null after one error, emitted on
/// `context`. Warnings tell what was decided for the user (a tie by contents).
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef path,
                                             const ImportOptions &options,
                                             mlir::MLIRContext *context);

/// Fails, with one error that lists every unsupported operator of the module
/// (count, first node, its scope).
llvm::LogicalResult checkSupported(mlir::ModuleOp module);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_IMPORT_H
