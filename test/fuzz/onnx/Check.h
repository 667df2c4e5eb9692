//===- Check.h - What must hold of every import -----------------*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_ONNX_CHECK_H
#define FSDP_TEST_FUZZ_ONNX_CHECK_H

#include "passes/Pipeline/Pipeline.h"
#include "test/fuzz/onnx/Mutation.h"

#include "dialects/Onnx/Import/Import.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

namespace fsdp::fuzz {
/// Imports models, leads those that are let in through the compiler's passes,
/// and aborts where an invariant breaks:
///   - what fails says so in one error, what succeeds in none;
///   - a module that was imported verifies, and parses again when printed.
/// The number `model_version`, which means nothing to the importer, chooses the
/// options: bits 0-2 the import's, bits 3-4 how far it goes, bit 5 the loss.
class Checker {
public:
  /// `folder`: where the model is written, beside `data.bin`.
  explicit Checker(std::string folder);
  void check(llvm::StringRef bytes);

private:
  void importModel(const onnx::ImportOptions &options, int64_t variant);
  void runPipeline(mlir::ModuleOp module, unsigned variant);
  void checkText(mlir::ModuleOp module);
  /// Aborts where the number of errors does not agree with `succeeded`.
  void expectErrors(bool succeeded, llvm::StringRef stage);
  void renewContext();

  std::string path;
  std::unique_ptr<mlir::MLIRContext> context;
  std::unique_ptr<mlir::PassManager> pipelines[4];
  unsigned runs = 0;
  std::vector<std::string> errors;
};
} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_ONNX_CHECK_H
