//===- Paths.h - Names of outputs -------------------------------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_PATHS_H
#define FSDP_PASSES_OUTPUT_PATHS_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <system_error>

namespace fsdp {
/// The files that a program may consist of, the one that makes it one first.
inline constexpr llvm::StringLiteral kProgramFiles[] = {
    "manifest.json", "program.so", "kernels.cubin",
    "kernels.ptx",   "kernels.so", "reference.so"};

/// errno.
std::error_code lastError();

/// The folder of a file or folder, "." for a plain name.
std::string folderOf(llvm::StringRef path);

/// Where something written to `path` lands: symlinks are followed, also to
/// what is not there yet.
std::string resolvedPath(llvm::StringRef path);

/// A name beside `path` for what is not finished, another one each time:
/// "p.fsdp.partial-6fd1c402". Most likely nobody has it. LLVM's own temporaries
/// would replace each '%' of the whole path.
std::string unfinishedName(llvm::StringRef path);
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_PATHS_H
