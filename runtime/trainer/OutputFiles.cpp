//===- OutputFiles.cpp - Files that a run writes --------------------------===//

#include "trainer/OutputFiles.h"

#include "checkpoint/Reader.h"
#include "trainer/MetricsFile.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace fsdprt;
namespace fs = std::filesystem;

namespace {
struct NamedPath {
  std::string option;
  std::string path;
  int rank; // that writes it
};
} // namespace

//===----------------------------------------------------------------------===//
// Which file is meant
//===----------------------------------------------------------------------===//

/// The same for two names of one file, be it there or not; "" for devices and
/// pipes, which take whatever is written to them.
static std::string identityOf(const std::string &path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0)
    return S_ISREG(info.st_mode)
               ? std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino)
               : "";
  Expected<std::string> target = followLinks(path);
  std::error_code error;
  return fs::weakly_canonical(fs::absolute(target.ok() ? *target : path, error),
                              error)
      .string();
}

static Status checkDistinct(const std::vector<NamedPath> &outputs,
                            const std::vector<NamedPath> &inputs) {
  std::map<std::string, const NamedPath *> known;
  for (const NamedPath &output : outputs) {
    std::string identity = identityOf(output.path);
    if (identity.empty())
      continue;
    auto [other, isNew] = known.try_emplace(identity, &output);
    if (!isNew)
      return failure(other->second->option, " and ", output.option,
                     " both write '", output.path,
                     "'; give each a file of its own");
  }
  for (const NamedPath &input : inputs)
    if (auto output = known.find(identityOf(input.path)); output != known.end())
      return failure(output->second->option, " would replace '",
                     output->second->path, "', which ", input.option,
                     " reads; give the name of another file");
  return Status();
}

/// The folder of a program is the compiler's: it replaces it as a whole, or
/// refuses to because of a file that it does not know.
static Status checkOutside(const std::vector<NamedPath> &outputs,
                           const std::string &program) {
  std::error_code error;
  std::string folder = fs::weakly_canonical(program, error).string() + "/";
  for (const NamedPath &output : outputs) {
    Expected<std::string> target = followLinks(output.path);
    std::string path =
        fs::weakly_canonical(
            fs::absolute(target.ok() ? *target : output.path, error), error)
            .string();
    if (path.compare(0, folder.size(), folder) == 0)
      return failure(output.option, " '", output.path,
                     "' is inside of the program's folder '", program,
                     "', which fsdp-compile replaces; give a file elsewhere");
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Can it be written
//===----------------------------------------------------------------------===//

/// Of how many steps a run may replace the metrics of one before it; none: it
/// appends to them. One that is to go on, and finds nothing to go on from, may
/// have been given another run's folder: its own would have left a checkpoint,
/// or been killed while it made the first.
static std::optional<int64_t> mostReplaced(const RunOptions &options) {
  if (!options.resumeFrom.empty() || options.selfTest)
    return std::nullopt;
  if (options.resume.empty() || options.checkpointEvery == 0)
    return std::numeric_limits<int64_t>::max();
  return 2 * options.checkpointEvery;
}

/// A report may go to a device or a pipe, as it is; a file is made or replaced,
/// or, of the metrics, written into.
static Status checkWritable(const NamedPath &output,
                            const RunOptions &options) {
  struct stat info;
  bool isThere = ::stat(output.path.c_str(), &info) == 0;
  bool isOpenedAsItIs =
      isThere && (!S_ISREG(info.st_mode) || output.option == "--metrics");
  Status status;
  if (isThere && S_ISDIR(info.st_mode))
    status = failure("cannot write '", output.path,
                     "': it is a folder; give the name of a file");
  else if (!isOpenedAsItIs)
    status = checkOutput(output.path, 0);
  else if (::access(output.path.c_str(), W_OK) != 0)
    status =
        failure("cannot write '", output.path, "': ", std::strerror(errno));
  if (status.ok() && output.option == "--metrics")
    status = MetricsFile::checkFree(output.path, mostReplaced(options));
  return status.ok() ? status : failure(output.option, ": ", status.message());
}

/// Every rank writes records of its own, beside a file; beside a device there
/// is no place for files.
static Status checkRecords(const std::string &records, int64_t ranks) {
  struct stat info;
  if (records.empty() || ranks == 1 || ::stat(records.c_str(), &info) != 0 ||
      S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
    return Status();
  return failure("--records: cannot write '", records,
                 "': it is no regular file, and each of the ", ranks,
                 " ranks writes one of its own; give the name of a file");
}

//===----------------------------------------------------------------------===//
// All of them
//===----------------------------------------------------------------------===//

std::string fsdprt::recordsOf(const std::string &records, int rank) {
  return rank == 0 ? records : records + "." + std::to_string(rank);
}

static std::vector<NamedPath> reportsOf(const RunOptions &options,
                                        int64_t ranks) {
  std::vector<NamedPath> reports;
  if (!options.metrics.empty())
    reports.push_back({"--metrics", options.metrics, 0});
  if (!options.trace.empty())
    reports.push_back({"--trace", options.trace, 0});
  if (!options.autotune.empty())
    reports.push_back({"--autotune", options.autotune, 0});
  for (int rank = 0; rank < ranks && !options.records.empty(); ++rank)
    reports.push_back(
        {rank == 0 ? "--records" : "--records of rank " + std::to_string(rank),
         recordsOf(options.records, rank), rank});
  return reports;
}

/// The files of the program, and of the model that it reads parameters from.
static std::vector<NamedPath> filesOf(const Manifest &manifest) {
  std::set<std::string> files = {manifest.folder + "/manifest.json",
                                 manifest.folder + "/program.so"};
  for (const ParameterSpec &parameter : manifest.parameters)
    if (parameter.origin == ParameterSpec::Origin::File)
      files.insert(parameter.file);
  std::vector<NamedPath> result;
  for (const std::string &file : files)
    result.push_back({"the program", file, 0});
  return result;
}

/// What is trained on and validated with; of a folder, whatever is in it. That
/// one cannot be read is said by who reads it.
static std::vector<NamedPath> inputsOf(const RunOptions &options) {
  std::vector<NamedPath> inputs;
  auto add = [&inputs](const char *option, const std::string &path) {
    inputs.push_back({option, path, 0});
    std::error_code error;
    for (fs::directory_iterator at(path, error), end; !error && at != end;
         at.increment(error))
      inputs.push_back({option, at->path().string(), 0});
  };
  for (const std::string &path : options.data)
    add("--data", path);
  for (const std::string &path : options.labels)
    add("--labels", path);
  for (const std::string &path : options.evalData)
    add("--eval-data", path);
  for (const std::string &path : options.evalLabels)
    add("--eval-labels", path);
  return inputs;
}

/// Of a folder or an index, none of the files that it lists is replaced.
static Status checkWeights(const std::vector<NamedPath> &reports,
                           const std::string &path) {
  Expected<std::vector<std::string>> files =
      isCheckpoint(path) ? listFiles(path) : TensorFiles::list(path);
  if (!files.ok())
    return files.status();
  std::vector<NamedPath> weights;
  for (const std::string &file : *files)
    weights.push_back({"--weights", file, 0});
  return checkDistinct(reports, weights);
}

Status fsdprt::checkOutputFiles(const RunOptions &options,
                                const Manifest &manifest,
                                std::optional<int> self) {
  std::vector<NamedPath> inputs = inputsOf(options);
  FSDPRT_RETURN_IF_ERROR(checkRecords(options.records, manifest.worldSize()));
  std::vector<NamedPath> reports = reportsOf(options, manifest.worldSize());
  std::vector<NamedPath> outputs = reports;
  if (!options.save.empty())
    outputs.push_back({"--save", options.save, 0});
  if (!options.saveEma.empty())
    outputs.push_back({"--save-ema", options.saveEma, 0});
  if (!options.checkpointDir.empty())
    outputs.push_back({"--checkpoint-dir", options.checkpointDir + "/lock", 0});
  FSDPRT_RETURN_IF_ERROR(checkDistinct(outputs, filesOf(manifest)));
  FSDPRT_RETURN_IF_ERROR(checkDistinct(outputs, inputs));
  FSDPRT_RETURN_IF_ERROR(checkOutside(outputs, manifest.folder));
  // --save may go where --weights came from: it is renamed into place.
  if (!options.weights.empty())
    FSDPRT_RETURN_IF_ERROR(checkWeights(reports, options.weights));
  for (const NamedPath &report : reports)
    if (report.rank == self.value_or(report.rank))
      FSDPRT_RETURN_IF_ERROR(checkWritable(report, options));
  return Status();
}
