//===- Averages.h - The averages of parameters in a run ---------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_AVERAGES_H
#define FSDPRT_TRAINER_AVERAGES_H

#include "abi/Context.h"

namespace fsdprt {

/// Fails unless the optimizer keeps an average of each parameter that it
/// trains.
Status checkHasAverages(const Manifest &manifest);

/// Parameters and their averages change places on this rank, between phases;
/// what is gathered from a copy in another type stays as it is.
Status exchangeAverages(fsdprt_context &context);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_AVERAGES_H
