//===- Averages.h - The averages of parameters in a run ---------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_AVERAGES_H
#define FSDPRT_TRAINER_AVERAGES_H

#include "abi/Context.h"
#include "trainer/CommandLine.h"

namespace fsdprt {

/// Fails unless what --save-ema and --eval-ema ask for is there: averages of
/// all parameters that are trained.
Status checkAverages(const RunOptions &options, const Manifest &manifest);

/// Parameters and their averages change places on this rank, between phases;
/// copies of them in another type follow. What is being saved beside is read
/// first.
Status exchangeAverages(fsdprt_context &context);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_AVERAGES_H
