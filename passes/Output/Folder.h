//===- Folder.h - A program's folder, whole or not there --------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_FOLDER_H
#define FSDP_PASSES_OUTPUT_FOLDER_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <system_error>

namespace fsdp {
/// Where something written to `path` lands: symlinks are followed, also to
/// what is not there yet.
std::string resolvedPath(llvm::StringRef path);

/// Why a program may not be written as `path`: something is there that is
/// neither empty nor a program and nothing else. "" if it may.
std::string checkReplaceable(llvm::StringRef path);

/// A folder beside the final one, removed unless it is committed. One at a
/// time.
class StagedFolder {
public:
  /// The program will land where `path` points.
  explicit StagedFolder(llvm::StringRef path);
  ~StagedFolder();

  std::error_code create();
  const std::string &path() const { return staging; }
  /// Where the folder will be, for messages.
  const std::string &target() const { return final; }
  std::string file(llvm::StringRef name) const;

  /// Puts the folder, which holds the files of a program, in its place, and
  /// removes the program that was there. Returns "" or what went wrong; then
  /// what was there is there still.
  std::string commit();

private:
  std::error_code exchange();

  std::string final, staging;
};

/// Removes what is staged, and ends the command that works on it. Safe in a
/// signal handler, which must not return.
void abandonOutputs();
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_FOLDER_H
