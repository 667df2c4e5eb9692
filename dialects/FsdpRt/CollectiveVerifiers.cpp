//===- CollectiveVerifiers.cpp - Constraints of collectives ---------------===//
#include "dialects/FsdpRt/DispatchChecks.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::rt;

/// A collective between a shard of `count` elements, argument `shard`, and a
/// line of as many for each rank.
template <typename Op>
static LogicalResult verifyLineCollective(Op op, size_t shard, size_t line) {
  ArrayAttr args = op.getArgs();
  int64_t count = op.getCount();
  if (failed(verifyDtype(op, op.getDtype())) ||
      failed(verifyRange(op, "a count of", count, 0)) ||
      failed(verifyRange(op, "a payload of", op.getPayloadBytes(), 0)) ||
      failed(
          verifyRange(op, "communicator", op.getCommunicator(), 0, kMost32)) ||
      failed(verifyBytes(op, args, shard, count, op.getDtype())))
    return failure();
  int64_t part = argument(args, shard).getBytes();
  int64_t whole = argument(args, line).getBytes();
  if (part ? whole < part || whole % part != 0 : whole != 0)
    return op.emitOpError("has a line of ")
           << whole << " bytes, expected a multiple of the shard's " << part
           << " (collective_c1)";
  return success();
}

LogicalResult AllGatherOp::verify() {
  if (failed(verifyArguments(*this, getArgs(), {kReads, kWrites})))
    return failure();
  return verifyLineCollective(*this, /*shard=*/0, /*line=*/1);
}

/// The arguments of a sum over ranks: those `expected`, and scratch for what
/// argument 0 holds where there is one more (collective_c2).
static LogicalResult verifySum(Operation *op, ArrayAttr args,
                               SmallVector<Accesses> expected,
                               StringRef wanted) {
  size_t scratch = expected.size();
  if (args.size() > scratch)
    expected.push_back(kScratch);
  if (failed(verifyArguments(op, args, expected)))
    return failure();
  if (args.size() > scratch &&
      argument(args, scratch).getBytes() < argument(args, 0).getBytes())
    return op->emitOpError("has ")
           << argument(args, scratch).getBytes()
           << " bytes of scratch, expected " << wanted << " (collective_c2)";
  return success();
}

LogicalResult ReduceScatterOp::verify() {
  if (failed(
          verifySum(*this, getArgs(), {kReads, kWrites}, "those of its line")))
    return failure();
  return verifyLineCollective(*this, /*shard=*/1, /*line=*/0);
}

LogicalResult AllReduceOp::verify() {
  if (failed(verifySum(*this, getArgs(), {kUpdates},
                       "at least those of its elements")) ||
      failed(verifyDtype(*this, getDtype())) ||
      failed(verifyRange(*this, "a count of", getCount(), 0)) ||
      failed(verifyRange(*this, "communicator", getCommunicator(), 0, kMost32)))
    return failure();
  return verifyBytes(*this, getArgs(), 0, getCount(), getDtype());
}
