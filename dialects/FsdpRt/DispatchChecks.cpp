//===- DispatchChecks.cpp - What all dispatches are held to ---------------===//
#include "dialects/FsdpRt/DispatchChecks.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::rt;

LogicalResult fsdp::rt::verifyPlace(Operation *op) {
  if (isa_and_nonnull<PhaseOp>(op->getParentOp()))
    return success();
  return op->emitOpError("stands outside of a phase (dispatch_c5)");
}

LogicalResult fsdp::rt::verifyArguments(Operation *op, ArrayAttr args,
                                        ArrayRef<Accesses> expected) {
  if (failed(verifyPlace(op)))
    return failure();
  if (args.size() != expected.size())
    return op->emitOpError("has ") << args.size() << " arguments, expected "
                                   << expected.size() << " (dispatch_c1)";
  for (auto [i, accesses] : llvm::enumerate(expected))
    if (Access access = argument(args, i).getAccess();
        !llvm::is_contained(accesses, access))
      return op->emitOpError("argument ")
             << i << " is for " << stringifyAccess(access) << ", expected "
             << stringifyAccess(accesses.front()) << " (dispatch_c1)";
  return success();
}

LogicalResult fsdp::rt::verifyBytes(Operation *op, ArrayAttr args, size_t i,
                                    int64_t count, Type dtype) {
  int64_t wanted;
  if (llvm::MulOverflow(count, bytesOf(dtype), wanted) ||
      argument(args, i).getBytes() != wanted)
    return op->emitOpError("argument ")
           << i << " has " << argument(args, i).getBytes()
           << " bytes, expected those of " << count << " elements of " << dtype
           << " (dispatch_c2)";
  return success();
}

LogicalResult fsdp::rt::verifyRange(Operation *op, StringRef name,
                                    int64_t value, int64_t least,
                                    int64_t most) {
  if (value >= least && value <= most)
    return success();
  InFlightDiagnostic diagnostic =
      op->emitOpError("has ") << name << " " << value << ", expected " << least;
  if (most == std::numeric_limits<int64_t>::max())
    return diagnostic << " or more (dispatch_c3)";
  return diagnostic << " to " << most << " (dispatch_c3)";
}

LogicalResult fsdp::rt::verifyDtype(Operation *op, Type dtype) {
  if (isStoredType(dtype))
    return success();
  return op->emitOpError("has element type ")
         << dtype
         << ", expected one of f32, f64, bf16, f16, i64, i32, i8 and i1 "
            "(dispatch_c4)";
}
