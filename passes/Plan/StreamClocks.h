//===- StreamClocks.h - What has happened before a dispatch -----*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_STREAMCLOCKS_H
#define FSDP_PASSES_PLAN_STREAMCLOCKS_H

#include "dialects/FsdpRt/FsdpRt.h"

#include <array>

namespace fsdp {
inline constexpr size_t kNumStreams = 4;

/// How far each stream is known to have come, in dispatches.
using Clock = std::array<int64_t, kNumStreams>;

/// The stream of a dispatch.
inline size_t streamOf(mlir::Operation &op) {
  return size_t(op.getAttrOfType<rt::StreamAttr>("stream").getValue());
}

/// Vector clocks of a phase: a dispatch starts after the one before it on its
/// stream and after the events it waits for, and nothing else is known.
class StreamClocks {
public:
  /// The clock when `op`, the next dispatch in issue order, has ended.
  const Clock &issue(mlir::Operation &op);
  /// That of a dispatch issued before.
  const Clock &of(mlir::Operation *op) const { return clocks.at(op); }

private:
  llvm::DenseMap<mlir::Operation *, Clock> clocks;
  std::array<Clock, kNumStreams> streams{};
};
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_STREAMCLOCKS_H
