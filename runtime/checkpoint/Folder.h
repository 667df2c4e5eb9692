//===- Folder.h - The folder that checkpoints are in ------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_FOLDER_H
#define FSDPRT_CHECKPOINT_FOLDER_H

#include "core/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fsdprt {

/// "D/step-20".
std::string stepFolder(const std::string &folder, int64_t step);
/// "D/step-20.partial": one that is not whole, or is being removed.
std::string partialFolder(const std::string &folder, int64_t step);

/// Of the empty file by which hosts see whether the folder is shared.
inline constexpr const char *kMarkPrefix = ".fsdp-shared-";

/// Steps of the complete checkpoints, in ascending order. None where the folder
/// is not there.
Expected<std::vector<int64_t>> listCheckpoints(const std::string &folder);
/// The same of all that are called so, whole or not.
Expected<std::vector<int64_t>> listStepFolders(const std::string &folder);

/// The folder is one run's: held as long as this lives, and by no longer than
/// the process. Makes the folder.
class FolderLock {
public:
  /// A failure says which process has it.
  static Expected<FolderLock> take(const std::string &folder);
  FolderLock(FolderLock &&other) noexcept : fd(other.fd) { other.fd = -1; }
  FolderLock &operator=(FolderLock &&other) = delete;
  ~FolderLock();

private:
  FolderLock() = default;
  int fd = -1;
};

/// Makes step-N.partial, empty. Fails if there is a checkpoint of the step.
Status makePartial(const std::string &folder, int64_t step);

/// Syncs what is in step-N.partial and gives it its name, which nothing may
/// have. That the name is on the disk too is for syncFolder.
Status completePartial(const std::string &folder, int64_t step);

/// Removes step-N.partial, if it is there. Fails, and removes nothing, where it
/// is a link or holds anything but a checkpoint's files.
Status removePartial(const std::string &folder, int64_t step);

/// Removes all of these, and marks, which runs have left that were killed. The
/// lock is held.
Status removePartials(const std::string &folder);

/// Removes the oldest complete checkpoints of a run but `keep`, and returns how
/// many of other runs there are, which stay. One that holds other files too, or
/// cannot be read, stays and is counted nowhere.
Expected<int64_t> removeOldest(const std::string &folder, int64_t keep,
                               const std::string &run);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_FOLDER_H
