//===- MetricsFile.h - A line a step ----------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_METRICSFILE_H
#define FSDPRT_TRAINER_METRICSFILE_H

#include "core/Status.h"
#include "trainer/Metrics.h"

#include <optional>
#include <string>

namespace fsdprt {

/// One JSON object a line, each written at once, so a file cut short still
/// holds whole lines. A file is one run's: another that would write it is told
/// which process does.
class MetricsFile {
public:
  /// Begins anew, in place of what an earlier run has left. A file that holds
  /// something else is refused.
  static Expected<MetricsFile> create(const std::string &path);
  /// For a run that goes on after `stepsDone` steps: keeps the lines up to that
  /// step, and drops those of steps that will be made again, and a last one
  /// that is not whole. A file that holds something else is refused.
  static Expected<MetricsFile> append(const std::string &path,
                                      int64_t stepsDone);
  /// Fails where the file is there and another process writes it, or, of one
  /// that is to be replaced, where create() would refuse it or it tells of more
  /// than `mostSteps` steps; none: it is appended to.
  static Status checkFree(const std::string &path,
                          std::optional<int64_t> mostSteps);

  MetricsFile(MetricsFile &&other) noexcept : path(other.path), fd(other.fd) {
    other.fd = -1;
  }
  ~MetricsFile();

  Status write(const StepMetrics &metrics);

private:
  MetricsFile() = default;
  static Expected<MetricsFile> open(const std::string &path, int flags);

  std::string path;
  int fd = -1;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_METRICSFILE_H
