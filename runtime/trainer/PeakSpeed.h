//===- PeakSpeed.h - What a chip could do at best ---------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_PEAKSPEED_H
#define FSDPRT_TRAINER_PEAKSPEED_H

#include "abi/Operations.h"

#include <optional>
#include <string>

namespace fsdprt {

/// Floating-point operations a second of dense products, by their type.
struct PeakSpeed {
  double f32 = 0, tf32 = 0, half = 0;

  /// The same for all types.
  static PeakSpeed ofTeraflops(double teraflops);

  /// Of a chip that the table has, by the driver's name for it: "NVIDIA H100
  /// 80GB HBM3". A part of one (MIG) and a laptop's are no such chip.
  static std::optional<PeakSpeed> ofChip(const std::string &name);

  /// The least time that the products could take.
  double secondsOf(const ProductWork &work) const {
    return double(work.f32) / f32 + double(work.tf32) / tf32 +
           double(work.half) / half;
  }
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_PEAKSPEED_H
