//===- StepResults.cpp - What a step has computed -------------------------===//

#include "trainer/StepResults.h"

#include <cmath>

using namespace fsdprt;

Status fsdprt::readResults(fsdprt_context &context, StepMetrics &metrics,
                           double &validTokens) {
  for (auto [name, value] : {std::make_pair("loss", &metrics.loss),
                             std::make_pair("grad_norm", &metrics.gradNorm),
                             std::make_pair("valid_tokens", &validTokens)}) {
    Expected<double> read = context.readResult(name);
    if (!read.ok())
      return read.status();
    *value = *read;
  }
  return Status();
}

Status fsdprt::checkResults(const Manifest &manifest,
                            const StepMetrics &metrics, double validTokens) {
  if (validTokens == 0)
    return failure("step ", metrics.step + 1,
                   ": no rank has a label that is not ignored: label some of "
                   "its rows, or make steps of more rows (--accumulate N, also "
                   "with --resume)");
  if (manifest.results.count("loss") && !std::isfinite(metrics.loss))
    return failure("step ", metrics.step + 1, ": the loss is not finite (",
                   std::isnan(metrics.loss) ? "nan" : "infinite", ")");
  if (manifest.results.count("grad_norm") && !std::isfinite(metrics.gradNorm))
    return failure("step ", metrics.step + 1,
                   ": the gradient norm is not finite (",
                   std::isnan(metrics.gradNorm) ? "nan" : "infinite",
                   "), the loss is ", metrics.loss);
  return Status();
}
