//===- UnitNames.h - Which unit a name belongs to ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_UNITNAMES_H
#define FSDP_PASSES_SUPPORT_UNITNAMES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace fsdp {
inline constexpr llvm::StringLiteral kRootUnit = "(root)";

/// "a.b.c" -> "a", "a.b" (the modules around parameter "a.b.c").
llvm::SmallVector<llvm::StringRef> enclosingModules(llvm::StringRef name);

/// How modules become units: those that `patterns` match; without patterns the
/// elements of the outermost module lists ("transformer.h.0").
class UnitNames {
public:
  explicit UnitNames(llvm::ArrayRef<std::string> patterns)
      : patterns(patterns) {}

  /// The unit of a parameter: the longest enclosing module that is a unit,
  /// else the root.
  llvm::StringRef unitOf(llvm::StringRef parameter) const;
  /// The unit that module `scope` belongs to, itself included.
  llvm::StringRef unitOfScope(llvm::StringRef scope) const;

private:
  llvm::StringRef longest(llvm::ArrayRef<llvm::StringRef> modules) const;

  llvm::ArrayRef<std::string> patterns;
};
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_UNITNAMES_H
