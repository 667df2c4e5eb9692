//===- ScratchFile.h - An input of a fuzzer as a file -----------*- C++ -*-===//

#ifndef FSDP_TEST_FUZZ_SCRATCHFILE_H
#define FSDP_TEST_FUZZ_SCRATCHFILE_H

#include "ScratchFolder.h"

#include <cstddef>
#include <cstdint>

namespace fsdprt::test {

/// A file that each input is written to; readers go by the end of its name.
class ScratchFile {
public:
  explicit ScratchFile(const std::string &end)
      : path(folder.path + "/input" + end) {}

  void fill(const uint8_t *data, size_t size) const {
    std::FILE *file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, size, file) != size ||
        std::fclose(file) != 0) {
      std::perror(path.c_str());
      std::abort();
    }
  }

private:
  fsdp::fuzz::ScratchFolder folder;

public:
  const std::string path;
};

} // namespace fsdprt::test

#endif // FSDP_TEST_FUZZ_SCRATCHFILE_H
