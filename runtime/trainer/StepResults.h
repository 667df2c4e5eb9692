//===- StepResults.h - What a step has computed -----------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_STEPRESULTS_H
#define FSDPRT_TRAINER_STEPRESULTS_H

#include "abi/Context.h"
#include "trainer/Metrics.h"

namespace fsdprt {

/// Of the step that has run: its loss and gradient norm, and how many labels of
/// all ranks counted.
Status readResults(fsdprt_context &context, StepMetrics &metrics,
                   double &validTokens);

/// Fails where they are no numbers or nothing counted: all ranks see the same
/// values, so all stop at the same step.
Status checkResults(const Manifest &manifest, const StepMetrics &metrics,
                    double validTokens);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_STEPRESULTS_H
