//===- FlagText.h - Options that tools read before passes do ----*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_FLAGTEXT_H
#define FSDP_PASSES_SUPPORT_FLAGTEXT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace fsdp {
/// The axis that parameters are sharded over.
constexpr llvm::StringLiteral kShardAxis = "shard";

struct MeshAxis {
  llvm::StringRef name;
  int64_t size = 1;
};

/// "shard=8" to its axes: what is wrong with it, or "". The name of the one
/// axis is not looked at.
std::string readMesh(llvm::StringRef text,
                     llvm::SmallVectorImpl<MeshAxis> &axes);

/// A value for the units that a pattern matches.
struct UnitRule {
  llvm::StringRef pattern; ///< "": all
  int64_t value = 0;
};
/// Reads "VALUE" or "PATTERN=VALUE", as `flag` was given it: what is wrong with
/// it, or "".
using ReadUnitRule = std::string (*)(llvm::StringRef flag, llvm::StringRef text,
                                     UnitRule &rule);
/// Of a number of at least 0.
std::string readDepth(llvm::StringRef flag, llvm::StringRef text,
                      UnitRule &rule);
/// Of true or false, which become 1 and 0.
std::string readSwitch(llvm::StringRef flag, llvm::StringRef text,
                       UnitRule &rule);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_FLAGTEXT_H
