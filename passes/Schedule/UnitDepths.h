//===- UnitDepths.h - A number for each unit, by pattern --------*- C++ -*-===//
#ifndef FSDP_PASSES_SCHEDULE_UNITDEPTHS_H
#define FSDP_PASSES_SCHEDULE_UNITDEPTHS_H

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// How many gathers each unit starts ahead: a default and exceptions.
class UnitDepths {
public:
  /// From "N" (the default) and "PATTERN=N" (units that the glob matches; the
  /// last match holds), as `flag` was given them. Fails with an error on
  /// `module` for what is neither and for a pattern that matches no unit.
  static mlir::FailureOr<UnitDepths> parse(mlir::ModuleOp module,
                                           llvm::StringRef flag,
                                           llvm::ArrayRef<std::string> rules,
                                           int64_t fallback);

  int64_t of(llvm::StringRef unit) const;
  /// The largest of any rule.
  int64_t largest() const;

private:
  int64_t fallback = 0;
  llvm::SmallVector<std::pair<std::string, int64_t>> exceptions;
};
} // namespace fsdp

#endif // FSDP_PASSES_SCHEDULE_UNITDEPTHS_H
