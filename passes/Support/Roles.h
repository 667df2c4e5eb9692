//===- Roles.h - What the runtime writes to a program and reads -*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_ROLES_H
#define FSDP_PASSES_SUPPORT_ROLES_H

#include "llvm/ADT/StringRef.h"
#include <optional>

namespace fsdp {
enum class RoleKind { Input, Scalar, Result };

/// All of them, in the table's order.
inline constexpr llvm::StringLiteral knownRoles[] = {
#define FSDPRT_ROLE(Kind, word, description) word,
#include "runtime/abi/roles.def"
};

/// The kind of a role of runtime/abi/roles.def; none for another word.
inline std::optional<RoleKind> kindOfRole(llvm::StringRef role) {
#define FSDPRT_ROLE(Kind, word, description)                                   \
  if (role == word)                                                            \
    return RoleKind::Kind;
#include "runtime/abi/roles.def"
  return std::nullopt;
}
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_ROLES_H
