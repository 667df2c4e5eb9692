//===- Input.h - What a run reads -------------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_INPUT_H
#define FSDPRT_TRAINER_INPUT_H

#include "io/ParameterLoader.h"
#include "io/TokenData.h"
#include "trainer/CommandLine.h"

namespace fsdprt {

/// Everything that can be wrong with program, data, weights and output, found
/// before ranks are started, memory is taken and time is spent. `self` is the
/// rank that looks, at what it reads and writes on its host; without, one
/// process looks for all.
Status checkInput(const RunOptions &options, const Manifest &manifest,
                  std::optional<int> self);

/// Of one rank, after checkInput, whose looking through the values is not
/// repeated.
Expected<ParameterLoader> openLoader(const RunOptions &options,
                                     const Manifest &manifest, int rank,
                                     std::function<void()> onProgress);
Expected<TokenData> openData(const RunOptions &options,
                             const Manifest &manifest, int rank);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_INPUT_H
