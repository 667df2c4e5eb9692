//===- File.h - A file that is whole or not there ---------------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_FILE_H
#define FSDP_PASSES_OUTPUT_FILE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <system_error>

namespace fsdp {
/// Writes what `print` prints to `path`, which has its name when all of it is
/// on the disk; "-" is standard output. `path` may hold any byte. A link of
/// that name is replaced, not followed. A full disk is an error.
std::error_code
writeWholeFile(llvm::StringRef path,
               llvm::function_ref<void(llvm::raw_ostream &)> print);

/// Waits until file or folder `path` is on the disk.
std::error_code syncToDisk(const std::string &path);
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_FILE_H
