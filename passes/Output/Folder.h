//===- Folder.h - A program's folder, whole or not there --------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_FOLDER_H
#define FSDP_PASSES_OUTPUT_FOLDER_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <system_error>

namespace fsdp {
/// A folder beside the final one, removed unless it is committed. One at a
/// time, of the main thread.
class StagedFolder {
public:
  /// The program will land where `path` points.
  explicit StagedFolder(llvm::StringRef path);
  ~StagedFolder();

  /// With owner, group and mode of the folder that it will replace, as far as
  /// the user may set them.
  std::error_code create();
  const std::string &path() const { return staging; }
  /// Where the folder will be, for messages.
  const std::string &target() const { return final; }
  std::string file(llvm::StringRef name) const;

  /// Puts the folder, which holds the files of a program, in its place, and
  /// removes the program that was there. Returns "" or what went wrong; then
  /// what was there is there still, or the text says where it is. `warning` is
  /// what could not be tidied up after it went well.
  std::string commit(std::string &warning);

private:
  void own(const std::string &folder);
  std::string disown();

  std::string final, staging;
};

/// The last output has its name: from here on there is nothing to abandon.
/// commit() calls it, as a program is what is written last.
void keepOutputs();

/// Removes what is staged, and ends the command that works on it; false where
/// all outputs are whole. Safe in a signal handler, which must not return
/// after true.
bool abandonOutputs();
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_FOLDER_H
