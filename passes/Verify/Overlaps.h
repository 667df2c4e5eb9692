//===- Overlaps.h - Arguments of one dispatch that share bytes --*- C++ -*-===//
#ifndef FSDP_PASSES_VERIFY_OVERLAPS_H
#define FSDP_PASSES_VERIFY_OVERLAPS_H

#include "dialects/FsdpRt/FsdpRt.h"

namespace fsdp {
/// Rule fsdprt_v10 for the dispatches of `phase`, whose arguments lie in
/// declared buffers with offsets. Fails with an error on the dispatch.
mlir::LogicalResult verifyNoOverlaps(rt::PhaseOp phase);
} // namespace fsdp

#endif // FSDP_PASSES_VERIFY_OVERLAPS_H
