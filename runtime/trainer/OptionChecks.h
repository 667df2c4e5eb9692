//===- OptionChecks.h - Is what was asked for possible ----------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_OPTIONCHECKS_H
#define FSDPRT_TRAINER_OPTIONCHECKS_H

#include "trainer/CommandLine.h"

#include <functional>

namespace fsdprt {

/// Whether an option, "--lr", stands on the command line.
using IsGiven = std::function<bool(const char *option)>;

/// Every number is in its range, or what is wrong; "" if all is well.
std::string checkNumbers(const RunOptions &options, const IsGiven &isGiven);

/// What single options cannot check. "" if all is well.
std::string checkTogether(const RunOptions &options, const IsGiven &isGiven);

/// Whether the learning rate's schedule goes with the steps, which may follow
/// from a program's tokens. "" if it does. In Schedule.cpp.
std::string checkSchedule(const RunOptions &options);

/// Letters to insert, to delete or to replace to make `b` of `a`.
size_t editDistance(const std::string &a, const std::string &b);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_OPTIONCHECKS_H
