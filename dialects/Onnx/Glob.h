//===- Glob.h - Patterns of parameter and module names ----------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_GLOB_H
#define FSDP_DIALECTS_ONNX_GLOB_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace fsdp {
/// Matches `name` against a glob where `*` stands for any characters but '.',
/// `**` for any characters, `?` for one.
bool matchesGlob(llvm::StringRef pattern, llvm::StringRef name);

/// Up to three of `candidates` nearest to `name` by edit distance, as
/// "'a', 'b', 'c'".
std::string nearestNames(llvm::StringRef name,
                         llvm::ArrayRef<std::string> candidates);

/// What to say after "matches no parameter" (or module): which small change of
/// the pattern would match, if one does, and the nearest names, as
/// ", 'h.*.**' would; nearest: 'h.0.a', 'h.0.b'". "" without candidates.
std::string suggestNames(llvm::StringRef pattern,
                         llvm::ArrayRef<std::string> candidates);
} // namespace fsdp

#endif // FSDP_DIALECTS_ONNX_GLOB_H
