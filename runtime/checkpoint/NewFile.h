//===- NewFile.h - A file that was not there before -------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_NEWFILE_H
#define FSDPRT_CHECKPOINT_NEWFILE_H

#include "checkpoint/Sum.h"
#include "core/Status.h"

#include <memory>
#include <string>

namespace fsdprt {

/// A file of a folder that is given its name when all files are in it: written
/// from its beginning to its end, and never onto another.
class NewFile {
public:
  static Expected<std::unique_ptr<NewFile>> create(const std::string &path);
  ~NewFile();

  Status append(const void *data, int64_t count);
  /// What was appended is on the disk, and the file is closed.
  Status finish();

  int64_t size() const { return bytes; }
  uint64_t sum() const { return running.value(); }

private:
  NewFile() = default;
  Status lastError() const;

  std::string path;
  int fd = -1;
  int64_t bytes = 0;
  RunningSum running;
};

/// Syncs the names in a folder.
Status syncFolder(const std::string &folder);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_NEWFILE_H
