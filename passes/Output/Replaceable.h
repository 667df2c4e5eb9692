//===- Replaceable.h - What a program may replace ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_REPLACEABLE_H
#define FSDP_PASSES_OUTPUT_REPLACEABLE_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <system_error>

namespace fsdp {
/// Why a program may not be written as `path`: something is there that is
/// neither empty nor a program and nothing else, or that cannot be replaced.
/// "" if it may.
std::string checkReplaceable(llvm::StringRef path);

/// Something in `folder` that the compiler did not write; "" if there is none.
std::string foreignEntry(const std::string &folder, std::error_code &error);
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_REPLACEABLE_H
