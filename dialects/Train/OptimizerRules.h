//===- OptimizerRules.h - The rules that there are --------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_TRAIN_OPTIMIZERRULES_H
#define FSDP_DIALECTS_TRAIN_OPTIMIZERRULES_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace fsdp::train {
class OptimizerRule;

/// Elements of a shard that one sum of squares takes where moments are
/// factored: a few threads' work, and few sums.
inline constexpr int64_t kFactorBlock = 1 << 15;

/// A tensor of a parameter's shape that is kept from step to step.
struct OptimizerState {
  llvm::StringLiteral name;
  double initial = 0; ///< of each element
  mlir::Type type;    ///< what it is rounded to; null: the parameter's type

  mlir::Type typeIn(mlir::Type parameter) const {
    return type ? type : parameter;
  }
};

/// A number of a rule by torch's name (`betas` are beta1 and beta2, a flag is 0
/// or 1). "lr" is what a step's learning rate is multiplied by.
struct RuleNumber {
  llvm::StringLiteral name;
  double initial; ///< where nothing else is said: torch's, or the paper's
  double most;
  bool withMost = true; ///< whether `most` itself is allowed; `least` always is
  /// Whether parameters may differ in it.
  bool isPerGroup = true;
  double least = 0;
};

/// A rule as a user asks for it.
struct RuleKind {
  llvm::StringLiteral name;
  llvm::ArrayRef<RuleNumber> numbers;
  /// From one value a number, which `problemOf` has no word against.
  OptimizerRule (*build)(mlir::MLIRContext *, llvm::ArrayRef<double>);

  /// The place of a number, or nothing.
  std::optional<size_t> find(llvm::StringRef number) const;
  llvm::SmallVector<double> defaults() const;
  /// What is wrong with these values, one a number: "eps is -1, expected a
  /// number in [0, 3.4e+38]"; "" if all is well.
  std::string problemOf(llvm::ArrayRef<double> values) const;
};

/// All rules; the first is the one that is taken where none is named.
llvm::ArrayRef<RuleKind> getRuleKinds();
/// The rule called `name`, or null.
const RuleKind *findRuleKind(llvm::StringRef name);
} // namespace fsdp::train

#endif // FSDP_DIALECTS_TRAIN_OPTIMIZERRULES_H
