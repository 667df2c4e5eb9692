//===- SharedFolder.cpp - A folder that all ranks see ---------------------===//

#include "trainer/SharedFolder.h"

#include "checkpoint/Folder.h"
#include "checkpoint/NewFile.h"
#include "core/UniqueName.h"
#include "trainer/SameProgram.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

using namespace fsdprt;

namespace {
/// What rank 0 calls its file; nobody has looked for that name before, so no
/// file system remembers that it is not there.
struct FileName {
  char text[32] = "";
};
} // namespace

static Status lookFor(const std::string &path, const std::string &folder) {
  if (::access(path.c_str(), F_OK) == 0)
    return Status();
  return failure("'", folder, "' is not the folder that rank 0 writes to (",
                 std::strerror(errno),
                 " of its file): give one that all hosts share, by its whole "
                 "path");
}

Status fsdprt::checkSharedFolder(Control &control, int rank,
                                 const FlightFile *flight,
                                 const std::string &folder) {
  FileName mine;
  copyText(mine.text, (kMarkPrefix + uniqueSuffix()).c_str());
  Expected<std::vector<FileName>> names = control.gather(mine);
  if (!names.ok())
    return names.status();
  const std::string path = folder + "/" + names->front().text;
  Status status;
  if (rank == 0)
    status = NewFile::create(path).status();
  // None looks before it is there, and it goes when all have looked.
  Expected<std::string> problem = control.firstFailure(status);
  if (problem.ok() && problem->empty())
    problem = control.firstFailure(lookFor(path, folder));
  if (rank == 0)
    ::unlink(path.c_str());
  if (!problem.ok())
    return problem.status();
  return failIfAnyDiffers(control, rank, flight,
                          problem->empty() ? ""
                                           : "--checkpoint-dir: " + *problem);
}
