//===- OptionGroups.h - What can be asked, by group -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_OPTIONGROUPS_H
#define FSDPRT_TRAINER_OPTIONGROUPS_H

#include "trainer/CommandLine.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <limits>

namespace fsdprt {

// Each adds the options of one group of --help, which has the groups in the
// order in which they are added.
void addTrainingOptions(CLI::App &app, RunOptions &options);
void addDataOptions(CLI::App &app, RunOptions &options);
void addEvaluationOptions(CLI::App &app, RunOptions &options);
void addParameterOptions(CLI::App &app, RunOptions &options);
void addCheckpointOptions(CLI::App &app, RunOptions &options);
void addReportOptions(CLI::App &app, RunOptions &options);
void addMachineOptions(CLI::App &app, RunOptions &options);

/// CLI11 wraps a number below the type's range, and cuts one above it. What is
/// no number at all it finds by itself.
template <typename T> std::string checkWhole(const std::string &text) {
  bool isNumber = text.find_first_not_of("0123456789", text[0] == '-') ==
                      std::string::npos &&
                  text.size() > size_t(text[0] == '-');
  T value = 0;
  const char *end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, value);
  if (!isNumber || (read.ec == std::errc() && read.ptr == end))
    return "";
  return "is " + text + ", expected a whole number in [0, " +
         std::to_string(std::numeric_limits<T>::max()) + "]";
}

} // namespace fsdprt

#endif // FSDPRT_TRAINER_OPTIONGROUPS_H
