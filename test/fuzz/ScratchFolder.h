//===- ScratchFolder.h - Where a fuzzer writes its inputs -------*- C++ -*-===//

#ifndef FSDP_TEST_FUZZ_SCRATCHFOLDER_H
#define FSDP_TEST_FUZZ_SCRATCHFOLDER_H

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace fsdp::fuzz {

/// A folder below TMPDIR (else /tmp), gone when the fuzzer ends but for one
/// that breaks: a test has TMPDIR in the build folder, and empties it first.
class ScratchFolder {
public:
  ScratchFolder() {
    const char *parent = std::getenv("TMPDIR");
    path = std::string(parent ? parent : "/tmp") + "/fsdp-fuzz-XXXXXX";
    if (!::mkdtemp(path.data())) {
      std::perror(path.c_str());
      std::abort();
    }
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  ScratchFolder(const ScratchFolder &) = delete;
  ScratchFolder &operator=(const ScratchFolder &) = delete;

  std::string path;
};

} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_SCRATCHFOLDER_H
