//===- MetricsFile.cpp - A line a step ------------------------------------===//

#include "trainer/MetricsFile.h"

#include "core/FileLock.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

static Status cannotWrite(const std::string &path, const std::string &reason) {
  return failure("cannot write metrics to '", path, "': ", reason);
}

/// Devices and pipes take the lines of any number of runs.
static bool isRegular(int fd) {
  struct stat info;
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

static bool isRegular(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

Expected<MetricsFile> MetricsFile::open(const std::string &path, int flags) {
  MetricsFile file;
  file.path = path;
  file.fd = ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0666);
  if (file.fd < 0)
    return cannotWrite(path, std::strerror(errno));
  Status status = isRegular(file.fd) ? lockFile(file.fd) : Status();
  if (!status.ok())
    return cannotWrite(path, status.message() + "; give each run its own");
  return file;
}

/// Whether a line is of a step up to `stepsDone`; none if it is no line of
/// metrics.
static std::optional<bool> isKept(const std::string &line, int64_t stepsDone) {
  auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json.contains("rows") ||
      !json["step"].is_number_integer())
    return std::nullopt;
  return json["step"].get<int64_t>() <= stepsDone;
}

static Status isNoMetrics(const std::string &path, int64_t line,
                          const char *which) {
  return cannotWrite(path, "line " + std::to_string(line) +
                               " of it is not a step's metrics" + which +
                               "; give another file");
}

/// What a run that begins may replace: an earlier one's metrics, of which the
/// first line tells as much as is needed, or nothing.
static Status checkReplaceable(int fd, const std::string &path) {
  std::string head(1 << 16, 0);
  ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  if (got < 0)
    return cannotWrite(path, std::strerror(errno));
  head.resize(size_t(got));
  size_t end = head.find('\n');
  // Of a run that was cut in its first line there is no whole one.
  const std::string begin = "{\"step\":";
  bool isCut = end == std::string::npos &&
               head.compare(0, begin.size(), begin, 0, head.size()) == 0;
  return head.empty() || isCut || isKept(head.substr(0, end), 0)
             ? Status()
             : isNoMetrics(path, 1, ", which a run could replace");
}

/// The step that the last whole line tells of; 0: there is none.
static int64_t lastStepOf(int fd) {
  std::string tail(1 << 16, 0);
  off_t size = ::lseek(fd, 0, SEEK_END);
  ssize_t got = ::pread(fd, tail.data(), tail.size(),
                        std::max<off_t>(0, size - off_t(tail.size())));
  tail.resize(size_t(std::max<ssize_t>(0, got)));
  size_t end = tail.rfind('\n');
  if (end == std::string::npos)
    return 0;
  size_t before = end == 0 ? std::string::npos : tail.rfind('\n', end - 1);
  size_t begin = before == std::string::npos ? 0 : before + 1;
  auto json = nlohmann::json::parse(tail.substr(begin, end - begin), nullptr,
                                    /*allow_exceptions=*/false);
  return json.is_object() && json.contains("step") &&
                 json["step"].is_number_integer()
             ? json["step"].get<int64_t>()
             : 0;
}

/// A run of so many steps has left what can be gone on from.
static Status checkBegun(int fd, const std::string &path, int64_t mostSteps) {
  int64_t step = lastStepOf(fd);
  return step <= mostSteps
             ? Status()
             : cannotWrite(path, "it tells of a run up to step " +
                                     std::to_string(step) +
                                     ", of which --checkpoint-dir has no "
                                     "checkpoint: give that run's folder, or "
                                     "another file");
}

Status MetricsFile::checkFree(const std::string &path,
                              std::optional<int64_t> mostSteps) {
  // Whoever reads from a pipe would leave when this closes it.
  if (!isRegular(path))
    return Status();
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return Status(); // whoever writes says why not
  Status status;
  if (Status locked = checkNotLocked(fd); !locked.ok())
    status = cannotWrite(path, locked.message() + "; give each run its own");
  else if (mostSteps) {
    status = checkReplaceable(fd, path);
    if (status.ok())
      status = checkBegun(fd, path, *mostSteps);
  }
  ::close(fd);
  return status;
}

Expected<MetricsFile> MetricsFile::create(const std::string &path) {
  bool isRead = isRegular(path);
  auto file = open(path, isRead ? O_RDWR : O_WRONLY);
  if (!file.ok() || !isRead)
    return file;
  FSDPRT_RETURN_IF_ERROR(checkReplaceable(file->fd, path));
  if (::ftruncate(file->fd, 0) != 0)
    return cannotWrite(path, std::strerror(errno));
  return file;
}

/// How many bytes of the file are whole lines of steps up to `stepsDone`. Reads
/// by the descriptor that holds the lock: were another one closed, it would go.
static Expected<int64_t> bytesOfSteps(int fd, const std::string &path,
                                      int64_t stepsDone) {
  std::vector<char> piece(1 << 16);
  std::string rest; // of a line that goes on in the next piece
  int64_t kept = 0, number = 0, at = 0;
  while (true) {
    ssize_t got = ::pread(fd, piece.data(), piece.size(), at);
    if (got < 0)
      return cannotWrite(path, std::strerror(errno));
    if (got == 0)
      return kept; // a last line that is not whole, as its run was cut, goes
    at += got;
    rest.append(piece.data(), size_t(got));
    size_t begin = 0;
    for (size_t end; (end = rest.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      ++number;
      auto keeps = isKept(rest.substr(begin, end - begin), stepsDone);
      if (!keeps)
        return isNoMetrics(path, number,
                           ", to which a run that goes on could append");
      if (!*keeps)
        return kept;
      kept += int64_t(end + 1 - begin);
    }
    rest.erase(0, begin);
  }
}

Expected<MetricsFile> MetricsFile::append(const std::string &path,
                                          int64_t stepsDone) {
  auto file = open(path, O_RDWR);
  if (!file.ok() || !isRegular(file->fd))
    return file;
  Expected<int64_t> bytes = bytesOfSteps(file->fd, path, stepsDone);
  if (!bytes.ok())
    return bytes.status();
  if (::ftruncate(file->fd, *bytes) != 0 ||
      ::lseek(file->fd, *bytes, SEEK_SET) < 0)
    return cannotWrite(path, std::strerror(errno));
  return file;
}

MetricsFile::~MetricsFile() {
  if (fd >= 0)
    ::close(fd);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// JSON has no NaN and no infinity.
static nlohmann::ordered_json finiteOrNull(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value)
                              : nlohmann::ordered_json(nullptr);
}

Status MetricsFile::write(const StepMetrics &metrics) {
  nlohmann::ordered_json json = {
      {"step", metrics.step + 1}, // people count from 1
      {"rows", metrics.rows},
      {"epoch", finiteOrNull(metrics.epochs)},
      {"loss", finiteOrNull(metrics.loss)},
      {"grad_norm", finiteOrNull(metrics.gradNorm)},
      {"lr", finiteOrNull(metrics.learningRate)},
      {"step_ms", finiteOrNull(metrics.milliseconds)},
      {"exposed_comm_ms", finiteOrNull(metrics.exposedMilliseconds)},
      {"tokens_per_s", finiteOrNull(metrics.tokensPerSecond)},
      {"planned_peak_bytes", metrics.plannedPeakBytes},
      {"measured_peak_bytes", metrics.measuredPeakBytes},
      {"gathered_bytes", metrics.gatheredBytes},
      {"reduced_bytes", metrics.reducedBytes},
      {"local_copy_bytes", metrics.localCopyBytes}};
  if (metrics.evaluation) {
    json["eval_of"] = metrics.evaluation->ofAverages ? "ema" : "parameters";
    json["eval_loss"] = finiteOrNull(metrics.evaluation->loss);
    json["eval_perplexity"] = finiteOrNull(metrics.evaluation->perplexity());
    json["eval_tokens"] = metrics.evaluation->tokens;
    json["eval_ms"] = finiteOrNull(metrics.evaluation->milliseconds);
  }
  if (metrics.checkpointMilliseconds)
    json["checkpoint_wait_ms"] = finiteOrNull(*metrics.checkpointMilliseconds);
  if (metrics.hostMilliseconds)
    json["host_ms"] = finiteOrNull(*metrics.hostMilliseconds);
  if (metrics.mfu)
    json["mfu"] = finiteOrNull(*metrics.mfu);
  if (metrics.deviceMemory) {
    json["library_bytes"] = metrics.deviceMemory->libraries;
    json["free_bytes"] = metrics.deviceMemory->left();
    json["staging_bytes"] = metrics.deviceMemory->staging;
  }
  std::string line = json.dump() + "\n";
  ssize_t written = ::write(fd, line.data(), line.size());
  if (written == ssize_t(line.size()))
    return Status();
  int error = written < 0 ? errno : ENOSPC;
  // Not even half a line stays.
  off_t end = ::lseek(fd, 0, SEEK_CUR);
  if (written > 0 && end >= written && ::ftruncate(fd, end - written) != 0)
    error = errno;
  return cannotWrite(path, std::strerror(error));
}
