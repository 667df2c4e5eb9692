//===- RecomputeRules.h - Which modules are computed again ------*- C++ -*-===//
#ifndef FSDP_PASSES_TRAIN_RECOMPUTERULES_H
#define FSDP_PASSES_TRAIN_RECOMPUTERULES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace fsdp {
/// Ops that are computed again together: those of one module.
struct RecomputedModule {
  llvm::StringRef module; ///< "": not computed again
  bool elementwise = false;

  bool operator==(const RecomputedModule &other) const {
    return module == other.module;
  }
};

/// What --recompute says: PATTERN or PATTERN=elementwise, the last match holds.
class RecomputeRules {
public:
  /// `scopes` are those of the model's ops, `units` the patterns of --unit.
  /// Fails with an error on `module` for a rule that cannot be read or matches
  /// no module.
  static mlir::FailureOr<RecomputeRules>
  parse(mlir::ModuleOp module, llvm::ArrayRef<std::string> rules,
        llvm::ArrayRef<std::string> units,
        llvm::ArrayRef<llvm::StringRef> scopes);

  /// The region of the ops of `scope`: the outermost module around it that the
  /// pattern matches. FSDP units in there are regions of their own: each is
  /// then gathered once for what it computes again and its backward.
  RecomputedModule regionOf(llvm::StringRef scope) const;

private:
  struct Rule {
    std::string pattern;
    bool elementwise;
  };
  std::vector<Rule> rules;
  llvm::ArrayRef<std::string> units;
  mutable llvm::StringMap<RecomputedModule> known; ///< scopes asked for

  RecomputedModule findRegion(llvm::StringRef scope) const;
};
} // namespace fsdp

#endif // FSDP_PASSES_TRAIN_RECOMPUTERULES_H
