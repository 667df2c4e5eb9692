//===- UnitRules.h - A value for each unit, by pattern ----------*- C++ -*-===//
#ifndef FSDP_PASSES_SHARD_UNITRULES_H
#define FSDP_PASSES_SHARD_UNITRULES_H

#include "mlir/IR/BuiltinOps.h"
#include "passes/Support/FlagText.h"

namespace fsdp {
/// What an option says of units: a value for all and exceptions.
class UnitRules {
public:
  /// From "VALUE" (for all) and "PATTERN=VALUE" (units that the glob matches;
  /// the last match holds), as `flag` was given them and `read` reads them.
  /// Fails with an error on `module` for what is neither and for a pattern that
  /// matches no unit.
  static mlir::FailureOr<UnitRules> parse(mlir::ModuleOp module,
                                          llvm::StringRef flag,
                                          llvm::ArrayRef<std::string> rules,
                                          ReadUnitRule read);

  /// The value of `unit`; nothing where no rule speaks of it.
  std::optional<int64_t> of(llvm::StringRef unit) const;

private:
  std::optional<int64_t> all;
  llvm::SmallVector<std::pair<std::string, int64_t>> exceptions;
};
} // namespace fsdp

#endif // FSDP_PASSES_SHARD_UNITRULES_H
