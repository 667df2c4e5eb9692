//===- FsdpRt.h - The fsdprt dialect ----------------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_FSDPRT_FSDPRT_H
#define FSDP_DIALECTS_FSDPRT_FSDPRT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"

#include <optional>

#include "dialects/FsdpRt/FsdpRtEnums.h.inc"

#include "dialects/FsdpRt/FsdpRtDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/FsdpRt/FsdpRtAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/FsdpRt/FsdpRtTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/FsdpRt/FsdpRtOps.h.inc"

namespace fsdp::rt {
/// Array attribute of a kernel's module: which of its results may be computed
/// in place, as pairs of the argument of an operand and that of a result, by
/// number in a launch. None where it is missing.
inline constexpr llvm::StringLiteral kInPlace = "fsdprt.in_place";

/// Attribute of the program's module: what it is planned for.
inline constexpr llvm::StringLiteral kTarget = "fsdprt.target";

/// Whether buffers may hold elements of `type`: the runtime has a code for it.
bool isStoredType(mlir::Type type);

/// Bytes of one element in a buffer; i1 takes one.
int64_t bytesOf(mlir::Type type);

/// Whether `op` is a call of the runtime, on a stream.
bool isDispatch(mlir::Operation *op);

/// The number of the communicator that a dispatch names; none but of
/// collectives.
std::optional<int64_t> communicatorOf(mlir::Operation *op);
} // namespace fsdp::rt

#endif // FSDP_DIALECTS_FSDPRT_FSDPRT_H
