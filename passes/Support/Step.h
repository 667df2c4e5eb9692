//===- Step.h - What passes over a training step share ----------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_STEP_H
#define FSDP_PASSES_SUPPORT_STEP_H

#include "dialects/Onnx/Glob.h"
#include "dialects/Train/Train.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Names of the functions of a module, in the order of the stages.
inline constexpr llvm::StringLiteral kForward = "forward";
inline constexpr llvm::StringLiteral kStep = "step";
/// What a step of several microbatches does with each before the first: counts
/// the labels that the loss is divided by.
inline constexpr llvm::StringLiteral kCount = "count";
/// What computes the loss of a batch and nothing else.
inline constexpr llvm::StringLiteral kEvaluate = "evaluate";
/// Phases that a step is parted into before its forward and behind its
/// backward.
inline constexpr llvm::StringLiteral kGather = "gather";
inline constexpr llvm::StringLiteral kAccumulate = "accumulate";
inline constexpr llvm::StringLiteral kUpdate = "update";
inline constexpr llvm::StringLiteral kInit = "init";
inline constexpr llvm::StringLiteral kExport = "export";
/// States: sums over the microbatches of a step.
inline constexpr llvm::StringLiteral kLoss = "loss";
inline constexpr llvm::StringLiteral kValidTokens = "valid_tokens";

/// Whether a symbol of the program made of a model has, or may get, this name:
/// one of those above, or a kernel's. No parameter can be called so.
bool isProgramName(llvm::StringRef name);

/// Argument and result attributes: the ONNX name of a value, and what the
/// runtime uses it for (runtime/abi/roles.def).
inline constexpr llvm::StringLiteral kOnnxName = "onnx.name";
inline constexpr llvm::StringLiteral kRole = "train.role";
/// Module attribute: "data" or "model".
inline constexpr llvm::StringLiteral kLabelsShift = "train.labels_shift";
/// Module attribute: number of classes, which labels must be below.
inline constexpr llvm::StringLiteral kVocabSize = "train.vocab_size";
/// Module attribute: rows of the smallest table that token ids are looked up
/// in.
inline constexpr llvm::StringLiteral kTokenRows = "train.token_rows";

/// Module attribute: the label that the loss does not count.
inline constexpr llvm::StringLiteral kIgnoreIndex = "train.ignore_index";

/// The loss op whose value `value` is, seen through reshapes; null when it is
/// none.
onnx::SoftmaxCrossEntropyLossOp lossBehind(mlir::Value value);

/// The function `name`, or null after an error that says which pass makes it.
mlir::func::FuncOp getFunction(mlir::ModuleOp module, llvm::StringRef name);

/// The functions that read parameters: the step, and what evaluates, if there
/// is any.
llvm::SmallVector<mlir::func::FuncOp> getReaders(mlir::ModuleOp module);

/// The one op of type `Op` in `block`, or null.
template <typename Op> Op findOp(mlir::Block &block) {
  for (mlir::Operation &op : block)
    if (auto found = llvm::dyn_cast<Op>(op))
      return found;
  return nullptr;
}

/// The argument of `func` with a role, or null.
mlir::Value findArgument(mlir::func::FuncOp func, llvm::StringRef role);

/// Where the backward pass of `module`'s step begins, or null after an error.
train::BackwardBeginOp findBackward(mlir::ModuleOp module);

/// Appends an argument with a role to `func`.
mlir::Value addArgument(mlir::func::FuncOp func, mlir::Type type,
                        llvm::StringRef role);

/// Replaces the results of `func` by `values`, with roles.
void setResults(mlir::func::FuncOp func, mlir::ValueRange values,
                llvm::ArrayRef<llvm::StringRef> roles);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_STEP_H
