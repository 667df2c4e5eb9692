//===- Schedule.h - The learning rate over the steps ------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_SCHEDULE_H
#define FSDPRT_TRAINER_SCHEDULE_H

#include "trainer/CommandLine.h"

#include <functional>

namespace fsdprt {

/// What --schedule takes before the name of a file of rates.
inline constexpr const char *kPiecewise = "piecewise:";

// clang-format off: a table
/// Learning rate at a position of the schedule (schedulePosition), in steps
/// from 0. With lr and min-lr the first and the last rate, W steps of warm-up, N
/// steps and D of decay:
///   warm-up       lr step / W, then
///   constant      lr
///   linear        lr + (min-lr - lr) (step - W) / (N - W)
///   cosine        min-lr + (lr - min-lr) (1 + cos(pi (step - W) / (N - W))) / 2
///   inverse_sqrt  lr sqrt(T / (step - W + T)), T = W or without one 10000, but
///                 at least min-lr (as transformers' get_inverse_sqrt_schedule)
///   wsd           lr, in the last D steps
///                 lr + (min-lr - lr) (step - N + D) / D
///   piecewise     the last of the file's rates whose step is not after it
// clang-format on
double learningRateAt(const RunOptions &options, double step);

/// Reads lines "STEP RATE", steps counted from 1 and ascending: what is wrong
/// with the file, or "".
std::string readRates(const std::string &file, std::vector<RatePoint> &rates);

/// An option that the schedule does not have, or lacks; "" if all is well.
std::string
checkScheduleOptions(const RunOptions &options,
                     const std::function<bool(const char *)> &isGiven);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_SCHEDULE_H
