//===- Glob.h - Patterns of parameter and module names ----------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_GLOB_H
#define FSDP_DIALECTS_ONNX_GLOB_H

#include "llvm/ADT/StringRef.h"

namespace fsdp {
/// Matches `name` against a glob where `*` stands for any characters but '.',
/// `**` for any characters, `?` for one.
bool matchesGlob(llvm::StringRef pattern, llvm::StringRef name);
} // namespace fsdp

#endif // FSDP_DIALECTS_ONNX_GLOB_H
