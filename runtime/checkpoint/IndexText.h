//===- IndexText.h - What both sides of an index agree on -------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_INDEXTEXT_H
#define FSDPRT_CHECKPOINT_INDEXTEXT_H

#include "checkpoint/Index.h"

namespace fsdprt {

constexpr const char *kCheckpointFormat = "fsdp-opt checkpoint";

/// How the file begins; 16 digits follow, the sum of all bytes behind them.
constexpr const char *kIndexBegin = "{\"sum\": \"";
constexpr size_t kIndexDigits = 16;

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_INDEXTEXT_H
