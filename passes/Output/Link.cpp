//===- Link.cpp - Objects to a shared object ------------------------------===//
#include "passes/Output/Link.h"
#include "passes/Output/Command.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <vector>

std::string fsdp::linkShared(const std::string &folder,
                             llvm::ArrayRef<std::string> objects,
                             const std::string &name, bool isWhole) {
  auto linker = llvm::sys::findProgramByName("ld.lld-19");
  if (!linker)
    linker = llvm::sys::findProgramByName("ld.lld");
  if (!linker)
    return "cannot find ld.lld-19 in PATH: install lld-19";
  // Thousands of objects are more than a command line takes.
  std::string list = folder + "/objects";
  std::error_code error;
  {
    llvm::raw_fd_ostream stream(list, error);
    for (const std::string &object : objects)
      stream << object << "\n";
    stream.close();
    if (!error)
      error = stream.error();
    stream.clear_error();
  }
  if (error)
    return "cannot write '" + list + "': " + error.message();
  // One thread does: there may be no more.
  std::vector<std::string> words = {
      *linker, "-shared", "--threads=1", "--gc-sections", "-z",
      "now",   "-o",      name,          "@objects"};
  if (isWhole)
    words.insert(words.end(), {"-z", "defs"});
  std::string problem = runCommand(words, folder);
  llvm::sys::fs::remove(list);
  for (const std::string &object : objects)
    llvm::sys::fs::remove(folder + "/" + object);
  return problem;
}
