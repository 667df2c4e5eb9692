//===- OptimizerText.h - Rules and groups as users write them ---*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_OPTIMIZERTEXT_H
#define FSDP_PASSES_SUPPORT_OPTIMIZERTEXT_H

#include "dialects/Train/OptimizerRules.h"

#include <vector>

namespace fsdp {
/// A number of a rule by its place, and a value for it.
using GivenNumber = std::pair<size_t, double>;

/// What the parameters that a pattern matches have of their own.
struct ParameterGroup {
  std::string pattern;
  llvm::SmallVector<GivenNumber> numbers;
};

/// "weight_decay" as the command line has it: "--weight-decay".
std::string flagOf(llvm::StringRef number);

/// "adamw, adam, sgd, adagrad, lion or adafactor".
std::string listRuleKinds();

/// Reads "weight_decay" and "0.1" as a rule of `kind` has them (betas are two,
/// lr a multiple such as 0.1x): what is wrong with them, or "".
std::string readRuleNumber(llvm::StringRef key, llvm::StringRef value,
                           const train::RuleKind &kind,
                           llvm::SmallVectorImpl<GivenNumber> &numbers);

/// Reads "h.*: lr=0.1x, betas=0.9,0.95" for rules of `kind`, whose numbers are
/// `values` where the group has none: what is wrong with it, or "".
std::string readGroup(llvm::StringRef text, const train::RuleKind &kind,
                      llvm::ArrayRef<double> values, ParameterGroup &group);

/// The numbers that differ from the defaults, as `readRuleNumber` takes them:
/// "eps=1e-06".
std::vector<std::string> writeNumbers(const train::RuleKind &kind,
                                      llvm::ArrayRef<double> values);

/// `values` with those of `numbers` in their places.
llvm::SmallVector<double> withNumbers(llvm::ArrayRef<double> values,
                                      llvm::ArrayRef<GivenNumber> numbers);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_OPTIMIZERTEXT_H
