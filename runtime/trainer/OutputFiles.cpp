//===- OutputFiles.cpp - Files that a run writes --------------------------===//

#include "trainer/OutputFiles.h"

#include "io/Safetensors.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace fsdprt;
namespace fs = std::filesystem;

namespace {
struct NamedPath {
  const char *option;
  const std::string &path;
};
} // namespace

/// Whether two names mean one file; devices take whatever is written to them.
static bool isSame(const std::string &a, const std::string &b) {
  std::error_code error;
  if (fs::exists(a, error) && fs::exists(b, error))
    return fs::equivalent(a, b, error) && fs::is_regular_file(a, error);
  fs::path first = fs::weakly_canonical(fs::absolute(a, error), error);
  return first == fs::weakly_canonical(fs::absolute(b, error), error);
}

static Status checkDistinct(const std::vector<NamedPath> &outputs,
                            const std::vector<NamedPath> &inputs) {
  for (size_t i = 0; i < outputs.size(); ++i)
    for (size_t j = i + 1; j < outputs.size(); ++j)
      if (isSame(outputs[i].path, outputs[j].path))
        return failure(outputs[i].option, " and ", outputs[j].option,
                       " both write '", outputs[j].path,
                       "'; give each a file of its own");
  for (const NamedPath &output : outputs)
    for (const NamedPath &input : inputs)
      if (isSame(output.path, input.path))
        return failure(output.option, " would replace '", output.path,
                       "', which ", input.option,
                       " reads; give the name of another file");
  return Status();
}

/// A report may go to a device or a pipe; a file is made or replaced.
static Status checkWritable(const NamedPath &output) {
  struct stat info;
  if (::stat(output.path.c_str(), &info) != 0) {
    Status status = checkOutput(output.path, 0);
    return status.ok() ? status
                       : failure(output.option, ": ", status.message());
  }
  if (S_ISDIR(info.st_mode))
    return failure("cannot write ", output.option, " '", output.path,
                   "': it is a folder; give the name of a file");
  if (::access(output.path.c_str(), W_OK) != 0)
    return failure("cannot write ", output.option, " '", output.path,
                   "': ", std::strerror(errno));
  return Status();
}

/// The files of the program, and of the model that it reads parameters from.
static std::set<std::string> filesOf(const Manifest &manifest) {
  std::set<std::string> files = {manifest.folder + "/manifest.json",
                                 manifest.folder + "/program.so"};
  for (const ParameterSpec &parameter : manifest.parameters)
    if (parameter.origin == ParameterSpec::Origin::File)
      files.insert(parameter.file);
  return files;
}

/// The folder of a program is the compiler's: it replaces it as a whole, or
/// refuses to because of a file that it does not know.
static Status checkOutside(const std::vector<NamedPath> &outputs,
                           const std::string &program) {
  std::error_code error;
  std::string folder = fs::weakly_canonical(program, error).string() + "/";
  for (const NamedPath &output : outputs) {
    std::string path =
        fs::weakly_canonical(fs::absolute(output.path, error), error).string();
    if (path.compare(0, folder.size(), folder) == 0)
      return failure(output.option, " '", output.path,
                     "' is inside of the program's folder '", program,
                     "', which fsdp-compile replaces; give a file elsewhere");
  }
  return Status();
}

Status fsdprt::checkOutputFiles(const RunOptions &options,
                                const Manifest &manifest) {
  auto given = [](std::vector<NamedPath> paths) {
    std::vector<NamedPath> result;
    for (const NamedPath &path : paths)
      if (!path.path.empty())
        result.push_back(path);
    return result;
  };
  // --save may go where --weights came from: it is renamed into place.
  FSDPRT_RETURN_IF_ERROR(checkDistinct(
      given({{"--save", options.save}}),
      given({{"--data", options.data}, {"--labels", options.labels}})));
  std::vector<NamedPath> reports = given({{"--metrics", options.metrics},
                                          {"--records", options.records},
                                          {"--trace", options.trace}});
  std::vector<NamedPath> outputs = reports;
  if (!options.save.empty())
    outputs.push_back({"--save", options.save});
  std::set<std::string> files = filesOf(manifest);
  std::vector<NamedPath> own;
  for (const std::string &file : files)
    own.push_back({"the program", file});
  FSDPRT_RETURN_IF_ERROR(checkDistinct(outputs, own));
  FSDPRT_RETURN_IF_ERROR(checkOutside(outputs, manifest.folder));
  FSDPRT_RETURN_IF_ERROR(
      checkDistinct(reports, given({{"--data", options.data},
                                    {"--labels", options.labels},
                                    {"--weights", options.weights}})));
  for (const NamedPath &report : reports)
    FSDPRT_RETURN_IF_ERROR(checkWritable(report));
  return Status();
}
