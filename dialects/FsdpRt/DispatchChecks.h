//===- DispatchChecks.h - What all dispatches are held to -------*- C++ -*-===//
#ifndef FSDP_DIALECTS_FSDPRT_DISPATCHCHECKS_H
#define FSDP_DIALECTS_FSDPRT_DISPATCHCHECKS_H

#include "dialects/FsdpRt/FsdpRt.h"

#include <limits>

namespace fsdp::rt {
/// Numbers of the header's int32_t fields.
inline constexpr int64_t kMost32 = std::numeric_limits<int32_t>::max();

/// The uses that an argument may have.
using Accesses = llvm::ArrayRef<Access>;
inline constexpr Access kReads[] = {Access::Read};
inline constexpr Access kWrites[] = {Access::Write, Access::ReadWrite};
inline constexpr Access kUpdates[] = {Access::ReadWrite};
inline constexpr Access kScratch[] = {Access::Scratch};

inline ArgAttr argument(mlir::ArrayAttr args, size_t i) {
  return mlir::cast<ArgAttr>(args[i]);
}

/// (dispatch_c5): the events of a dispatch are those of its phase.
mlir::LogicalResult verifyPlace(mlir::Operation *op);

/// (dispatch_c1): as many arguments as `expected`, each with one of these uses.
mlir::LogicalResult verifyArguments(mlir::Operation *op, mlir::ArrayAttr args,
                                    llvm::ArrayRef<Accesses> expected);

/// (dispatch_c2): argument `i` has the bytes of `count` elements of `dtype`.
mlir::LogicalResult verifyBytes(mlir::Operation *op, mlir::ArrayAttr args,
                                size_t i, int64_t count, mlir::Type dtype);

/// (dispatch_c3): `value`, what `name` says, is in [least, most].
mlir::LogicalResult
verifyRange(mlir::Operation *op, llvm::StringRef name, int64_t value,
            int64_t least, int64_t most = std::numeric_limits<int64_t>::max());

/// (dispatch_c4): the runtime has a code for the type.
mlir::LogicalResult verifyDtype(mlir::Operation *op, mlir::Type dtype);
} // namespace fsdp::rt

#endif // FSDP_DIALECTS_FSDPRT_DISPATCHCHECKS_H
