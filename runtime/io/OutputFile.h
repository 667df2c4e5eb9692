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
/// the file system cannot do that (NFS), it is `path`.partial-PID, and stays
/// only of a process that is killed by SIGKILL. A device or a pipe of that name
/// is written to as it is.
class OutputFile {
public:
  /// Failures say why, and leave the name to the caller's message.
  static Expected<std::unique_ptr<OutputFile>> create(const std::string &path);
  ~OutputFile();

  /// At a place of the file, in bytes.
  Status write(const void *data, int64_t offset, int64_t bytes);
  /// Behind what was appended last.
  Status append(const std::string &text);
  /// Syncs, gives the name, syncs the folder. What had the name is replaced.
  Status finish();

private:
  OutputFile() = default;
  Status giveName();

  std::string path, temporary; // temporary: "" while the file has no name
  int fd = -1;
  int64_t end = 0;
  bool isDevice = false;
};

/// The folder that `path` is in: "." for a plain name.
std::string folderOf(const std::string &path);

/// Removes files of this process that have a temporary name. Safe in a signal
/// handler after which the process ends.
void removeUnfinishedFiles();

} // namespace fsdprt

#endif // FSDPRT_IO_OUTPUTFILE_H
