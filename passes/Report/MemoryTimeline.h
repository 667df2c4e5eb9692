//===- MemoryTimeline.h - What is alive at every dispatch -------*- C++ -*-===//
#ifndef FSDP_PASSES_REPORT_MEMORYTIMELINE_H
#define FSDP_PASSES_REPORT_MEMORYTIMELINE_H

#include "passes/Plan/Lifetimes.h"

namespace fsdp {
inline constexpr size_t kNumBufferKinds = rt::getMaxEnumValForBufferKind() + 1;

/// Bytes alive by buffer kind.
using LiveBytes = std::array<int64_t, kNumBufferKinds>;

/// Bytes alive at each dispatch of a phase; the persistent ones always are.
/// Bytes that one buffer takes over from another within a dispatch (in place)
/// count once, as the newer buffer's, so no sum exceeds the arenas.
std::vector<LiveBytes>
liveBytes(mlir::ModuleOp module, rt::PhaseOp phase,
          const llvm::DenseMap<int64_t, Lifetime> &lives);

int64_t sumOf(const LiveBytes &bytes);
} // namespace fsdp

#endif // FSDP_PASSES_REPORT_MEMORYTIMELINE_H
