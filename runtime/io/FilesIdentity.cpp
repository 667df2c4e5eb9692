//===- FilesIdentity.cpp - Whether two hosts have the same files ----------===//

#include "io/FilesIdentity.h"

#include "abi/SampledSum.h"
#include "io/Safetensors.h"

#include <cstdio>

using namespace fsdprt;

std::string FilesIdentity::text() const {
  if (files == 0)
    return "none";
  char text[96];
  std::snprintf(text, sizeof(text), "%lld %s, %lld bytes, sum %016llx",
                (long long)files, files == 1 ? "file" : "files",
                (long long)bytes, (unsigned long long)sum);
  return text;
}

Expected<FilesIdentity>
fsdprt::identityOf(const std::vector<std::string> &paths) {
  FilesIdentity identity;
  identity.sum = 0xcbf29ce484222325;
  for (const std::string &path : paths) {
    Expected<std::shared_ptr<InputFile>> file = InputFile::open(path);
    if (!file.ok())
      return file.status();
    Status status;
    uint64_t own = sampledSum(
        (*file)->size(), [&](int64_t offset, int64_t count, char *to) {
          if (Status here = (*file)->read(to, offset, count); !here.ok())
            status = here;
        });
    FSDPRT_RETURN_IF_ERROR(status);
    ++identity.files;
    identity.bytes += (*file)->size();
    identity.sum = (identity.sum ^ own) * 0x100000001b3;
  }
  return identity;
}
