//===- Schedule.h - The learning rate over the steps ------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_SCHEDULE_H
#define FSDPRT_TRAINER_SCHEDULE_H

#include "trainer/CommandLine.h"

namespace fsdprt {

/// Learning rate of step `step`, counted from 0.
double learningRateAt(const RunOptions &options, int64_t step);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_SCHEDULE_H
