//===- Ptxas.cpp - NVIDIA's assembler, where it is installed --------------===//
#include "passes/Target/Ptxas.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

#include <algorithm>
#include <vector>

namespace path = llvm::sys::path;

/// What lies in `folder`, by name; nothing where it cannot be read.
static std::vector<std::string> entriesOf(const llvm::Twine &folder) {
  std::vector<std::string> entries;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error))
    entries.push_back(it->path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

static std::string ifExecutable(const llvm::Twine &file) {
  std::string text = file.str();
  return llvm::sys::fs::can_execute(text) ? text : "";
}

/// In the packages of the Python environment at `prefix`.
static std::string findInPython(const std::string &prefix) {
  for (const std::string &python : entriesOf(prefix + "/lib"))
    if (path::filename(python).starts_with("python3"))
      for (const char *packages : {"/site-packages", "/dist-packages"})
        for (const std::string &part : entriesOf(python + packages + "/nvidia"))
          if (std::string found = ifExecutable(part + "/bin/ptxas");
              !found.empty())
            return found;
  return "";
}

std::string fsdp::findPtxas() {
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (auto folder = llvm::sys::Process::GetEnv(variable))
      if (std::string found = ifExecutable(*folder + "/bin/ptxas");
          !found.empty())
        return found;
  if (std::string found = ifExecutable("/usr/local/cuda/bin/ptxas");
      !found.empty())
    return found;
  if (auto folder = llvm::sys::Process::GetEnv("VIRTUAL_ENV"))
    if (std::string found = findInPython(*folder); !found.empty())
      return found;
  if (auto python = llvm::sys::findProgramByName("python3"))
    return findInPython(path::parent_path(path::parent_path(*python)).str());
  return "";
}

/// What `ptxas --version` says of itself; "" where it cannot be run.
static std::string versionOf(const std::string &ptxas) {
  llvm::SmallString<128> said;
  if (llvm::sys::fs::createTemporaryFile("ptxas", "txt", said))
    return "";
  constexpr unsigned kSeconds = 20;
  llvm::StringRef none = "";
  llvm::sys::ExecuteAndWait(ptxas, {ptxas, "--version"}, std::nullopt,
                            {none, llvm::StringRef(said), none}, kSeconds);
  auto text = llvm::MemoryBuffer::getFile(said);
  llvm::sys::fs::remove(said);
  return text ? (*text)->getBuffer().str() : "";
}

std::string fsdp::resolvePtxas(llvm::StringRef name, std::string &problem) {
  problem.clear();
  if (name == kNoPtxas)
    return name.str();
  llvm::SmallString<128> found;
  if (name.contains('/'))
    found = name;
  else if (auto inPath = llvm::sys::findProgramByName(name))
    found = *inPath;
  bool isFile = !found.empty() && !llvm::sys::fs::is_directory(found) &&
                llvm::sys::fs::can_execute(found);
  if (!isFile) {
    problem = "'" + name.str() + "' is no program that can be run";
    return "";
  }
  llvm::sys::fs::make_absolute(found); // it runs in the program's folder
  if (!llvm::StringRef(versionOf(found.str().str())).contains("ptxas:"))
    problem = "'" + name.str() +
              "' is not NVIDIA's ptxas: its --version does not say so";
  return found.str().str();
}
