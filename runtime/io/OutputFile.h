//===- OutputFile.h - A file that is whole or not there ---------*- C++ -*-===//

#ifndef FSDPRT_IO_OUTPUTFILE_H
#define FSDPRT_IO_OUTPUTFILE_H

#include "core/Status.h"

#include <cstdint>
#include <memory>
#include <string>

namespace fsdprt {

/// A file that gets its name when it is finished. Until then it has none
/// (O_TMPFILE), so that nothing stays of it whatever ends the process; where
/// the file system cannot do that (NFS), it is `path`.partial-RANDOM, and stays
/// only of a process that is killed by SIGKILL. A link is followed: the file
/// that it leads to is made or replaced. A device or a pipe is written to as it
/// is.
class OutputFile {
public:
  /// Failures say why, and leave the name to the caller's message.
  static Expected<std::unique_ptr<OutputFile>> create(const std::string &path);
  ~OutputFile();

  /// Takes room on the disk for so many bytes, where the file system can.
  Status reserve(int64_t bytes);
  /// At a place of the file, in bytes.
  Status write(const void *data, int64_t offset, int64_t bytes);
  /// Behind what was appended last.
  Status append(const std::string &text);
  /// Syncs, gives the name, syncs the folder. What had the name is replaced; if
  /// it does not let itself be, the file is `path`.saved-RANDOM, and the
  /// failure says so.
  Status finish();

private:
  OutputFile() = default;
  Status openNamed();
  Status giveName();
  Status renameTo(const std::string &name);

  std::string path;      // links followed
  std::string temporary; // "" while the file has no name
  int fd = -1;
  int64_t end = 0;
  bool isDevice = false;
};

/// The folder that `path` is in: "." for a plain name.
std::string folderOf(const std::string &path);

/// Where the links of this name lead to, be a file there or not. A failure
/// leaves the name to the caller's message.
Expected<std::string> followLinks(std::string path);

/// Fails if a file of `bytes` could not be written to `path`, or not replace
/// what is there: found before the work is done that it is to hold. Writes
/// nothing that stays.
Status checkOutput(const std::string &path, int64_t bytes);

/// Removes files of this process that have a temporary name. Safe in a signal
/// handler after which the process ends.
void removeUnfinishedFiles();

} // namespace fsdprt

#endif // FSDPRT_IO_OUTPUTFILE_H
