//===- CostModel.h - What a rank's part of the machine can do ---*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_COSTMODEL_H
#define FSDP_PASSES_TARGET_COSTMODEL_H

namespace fsdp {
/// What a rank's part of the machine can do. The defaults are one core of a
/// recent server and ranks of one machine.
struct CostModel {
  double gemm = 1e11; ///< floating-point operations a second, f32
  double gemmBf16 = 4e11;
  double memory = 8e9;   ///< bytes a second, read or written by a kernel
  double network = 2e9;  ///< bytes a second, sent by a rank
  double latency = 5e-5; ///< seconds, of a collective
  double launch = 2e-6;  ///< seconds, of any dispatch
};
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_COSTMODEL_H
