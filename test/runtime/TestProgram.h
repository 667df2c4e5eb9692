//===- TestProgram.h - Puts the hand-written program on disk ----*- C++ -*-===//

#ifndef FSDPRT_TEST_RUNTIME_TESTPROGRAM_H
#define FSDPRT_TEST_RUNTIME_TESTPROGRAM_H

#include <nlohmann/json.hpp>

#include <string>

namespace fsdprt::test {

/// A folder that goes away with the test.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string operator/(const std::string &name) const {
    return path + "/" + name;
  }
  const std::string path;
};

/// The manifest of test_program.c for a world.
nlohmann::json makeManifest(int world);

/// Writes `folder` with manifest and program.so; `variant` is "" or the name
/// of a mutant.
void writeProgram(const std::string &folder, const nlohmann::json &manifest,
                  int world, const std::string &variant = "");

void writeFile(const std::string &path, const std::string &content);
std::string readFile(const std::string &path);

/// English-like bytes, the same on every call.
std::string makeText(size_t length);

/// What a command did.
struct CommandResult {
  int exitCode = -1;
  std::string output, errors;
  double seconds = 0;
};
CommandResult runCommand(const std::string &command);

} // namespace fsdprt::test

#endif // FSDPRT_TEST_RUNTIME_TESTPROGRAM_H
