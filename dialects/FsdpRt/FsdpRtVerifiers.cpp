//===- FsdpRtVerifiers.cpp - Constraints of the fsdprt dialect ------------===//
//
// What an op says must fit its descriptor in runtime/abi/fsdprt.h and the bytes
// of its arguments. What buffers and other ops say is for --fsdprt-verify.
//
//===----------------------------------------------------------------------===//
#include "dialects/FsdpRt/DispatchChecks.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::rt;

//===----------------------------------------------------------------------===//
// Types of the runtime
//===----------------------------------------------------------------------===//

bool fsdp::rt::isStoredType(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return integer.isSignless() &&
           llvm::is_contained({1u, 8u, 32u, 64u}, integer.getWidth());
  return type.isF32() || type.isF64() || type.isBF16() || type.isF16();
}

int64_t fsdp::rt::bytesOf(Type type) {
  return (type.getIntOrFloatBitWidth() + 7) / 8;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

LogicalResult ArgAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              Access, int64_t buffer, int64_t begin,
                              int64_t bytes) {
  int64_t end;
  if (buffer < 0 || buffer > kMost32 || begin < 0 || bytes < 0 ||
      llvm::AddOverflow(begin, bytes, end))
    return emitError() << "argument is [" << begin << " : " << bytes
                       << "] of buffer " << buffer
                       << ", expected numbers of 0 or more (arg_c1)";
  return success();
}

LogicalResult FsdpRtDialect::verifyOperationAttribute(Operation *op,
                                                      NamedAttribute attr) {
  if (attr.getName() == kInPlace) {
    auto pairs = dyn_cast<DenseI64ArrayAttr>(attr.getValue());
    if (!isa<ModuleOp>(op) || !pairs || pairs.size() % 2 != 0 ||
        llvm::any_of(pairs.asArrayRef(), [](int64_t i) { return i < 0; }))
      return op->emitOpError("has '")
             << kInPlace << "' " << attr.getValue()
             << ", expected pairs of arguments' numbers on a kernel's module "
                "(in_place_c1)";
  } else if (attr.getName() == kTarget) {
    if (!isa<ModuleOp>(op) || !isa<CudaAttr>(attr.getValue()))
      return op->emitOpError("has '")
             << kTarget << "' " << attr.getValue()
             << ", expected a #fsdprt.cuda on the program's module "
                "(target_c1)";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Memory and phases
//===----------------------------------------------------------------------===//

LogicalResult ArenaOp::verify() {
  if (int64_t(getIndex()) < 0 || int64_t(getIndex()) > kMost32 ||
      int64_t(getBytes()) < 0)
    return emitOpError("has number ")
           << int64_t(getIndex()) << " and " << int64_t(getBytes())
           << " bytes, expected 0 or more (arena_c1)";
  return success();
}

LogicalResult BufferOp::verify() {
  int64_t end, offset = getOffset(), bytes = getBytes(), arena = getArena();
  if (int64_t(getId()) < 0 || int64_t(getId()) > kMost32 || bytes < 0 ||
      arena < 0 || arena > kMost32 || offset < -1 ||
      llvm::AddOverflow(offset, bytes, end))
    return emitOpError("has number ")
           << int64_t(getId()) << " and " << bytes << " bytes at " << offset
           << " of arena " << arena
           << ", expected 0 or more, an offset of -1 before it is assigned "
              "(buffer_c1)";
  return success();
}

int64_t CommunicatorOp::getNumRanks() {
  int64_t ranks = 1;
  for (int64_t size : getSizes())
    ranks *= size;
  return ranks;
}

LogicalResult CommunicatorOp::verify() {
  llvm::SmallDenseSet<StringRef> axes;
  int64_t number = getNumber(), ranks = 1;
  bool valid = number >= 0 && number <= kMost32 && !getAxes().empty() &&
               getAxes().size() == getSizes().size();
  for (StringRef axis : getAxes().getAsValueRange<StringAttr>())
    valid = valid && axes.insert(axis).second;
  for (int64_t size : getSizes())
    valid = valid && size >= 1 && !llvm::MulOverflow(ranks, size, ranks) &&
            ranks <= kMost32;
  if (valid)
    return success();
  return emitOpError("has number ")
         << number << " over " << getAxes() << " of [" << getSizes()
         << "], expected 0 or more and axes, each once, with their sizes "
            "(communicator_c1)";
}

std::optional<int64_t> fsdp::rt::communicatorOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<int64_t>>(op)
      .Case<AllGatherOp, ReduceScatterOp, AllReduceOp>(
          [](auto collective) { return collective.getCommunicator(); })
      .Default([](Operation *) { return std::nullopt; });
}

bool fsdp::rt::isDispatch(Operation *op) {
  return isa<LaunchOp, GemmOp, AllGatherOp, ReduceScatterOp, AllReduceOp,
             FillOp, CopyOp, ConstantOp, LoadOp, StoreOp, JoinOp>(op);
}

LogicalResult PhaseOp::verify() {
  for (Operation &op : getBody().front())
    if (!isDispatch(&op))
      return op.emitOpError("is not a dispatch on a stream (fsdprt_v1)");
  return success();
}

//===----------------------------------------------------------------------===//
// Dispatches
//===----------------------------------------------------------------------===//

/// (launch_c2)
static LogicalResult verifyGrid(LaunchOp op) {
  constexpr int64_t kMostThreads = 1024; // of a block, on any GPU
  if (op.getBlocks().has_value() != op.getThreads().has_value())
    return op.emitOpError("has half a grid, expected blocks and threads "
                          "(launch_c2)");
  int64_t blocks = op.getBlocks().value_or(1);
  int64_t threads = op.getThreads().value_or(1);
  if (blocks < 1 || blocks > kMost32 || threads < 1 || threads > kMostThreads)
    return op.emitOpError("has a grid of ")
           << blocks << " blocks of " << threads
           << " threads, expected 1 or more, at most " << kMostThreads
           << " threads (launch_c2)";
  return success();
}

/// Operands and results may be as many as the kernel has; scratch comes last.
LogicalResult LaunchOp::verify() {
  int64_t scratch = getScratchBytes();
  if (failed(verifyPlace(*this)) ||
      failed(verifyRange(*this, "an extent of", getExtent(), 0)) ||
      failed(verifyRange(*this, "scratch of", scratch, 0)))
    return failure();
  ArrayAttr args = getArgs();
  for (size_t i = 0; i < args.size(); ++i) {
    bool isScratch = argument(args, i).getAccess() == Access::Scratch;
    if (isScratch != (scratch != 0 && i + 1 == args.size()))
      return emitOpError("argument ")
             << i << " is " << (isScratch ? "" : "not ")
             << "scratch, expected scratch last and where a worker needs it "
                "(launch_c1)";
  }
  if (failed(verifyGrid(*this)))
    return failure();
  int64_t all, pieces = getBlocks().value_or(1);
  if (scratch && (args.empty() || llvm::MulOverflow(pieces, scratch, all) ||
                  argument(args, args.size() - 1).getBytes() < all))
    return emitOpError("has less scratch than the ")
           << scratch << " bytes of " << (getBlocks() ? "each" : "one")
           << (getBlocks() ? " block" : " worker") << " (launch_c1)";
  return success();
}

LogicalResult FillOp::verify() {
  if (failed(verifyArguments(*this, getArgs(), {kWrites})))
    return failure();
  return verifyRange(*this, "byte", getByte(), 0, 255);
}

LogicalResult CopyOp::verify() {
  if (failed(verifyArguments(*this, getArgs(), {kReads, kWrites})))
    return failure();
  int64_t from = argument(getArgs(), 0).getBytes();
  int64_t to = argument(getArgs(), 1).getBytes();
  if (from != to)
    return emitOpError("copies ") << from << " bytes to " << to << " (copy_c1)";
  return success();
}

LogicalResult ConstantOp::verify() {
  auto value = dyn_cast<DenseElementsAttr>(getValue());
  if (!value || !value.getElementType().isIntOrFloat())
    return emitOpError("has a value of type ")
           << getValue().getType() << ", expected dense numbers (constant_c1)";
  if (value.getNumElements() > kMost32 / 8)
    return emitOpError("has ")
           << value.getNumElements() << " elements, expected at most "
           << kMost32 / 8 << " in the program itself (constant_c2)";
  if (failed(verifyDtype(*this, value.getElementType())) ||
      failed(verifyArguments(*this, getArgs(), {kWrites})))
    return failure();
  return verifyBytes(*this, getArgs(), 0, value.getNumElements(),
                     value.getElementType());
}

/// What load and store say of a line.
template <typename Op> static LogicalResult verifyLine(Op op, Accesses use) {
  if (failed(verifyRange(op, "unit number", op.getUnitIndex(), 0, kMost32)) ||
      failed(verifyRange(op, "line", op.getLine(), 0, kMost32)))
    return failure();
  return verifyArguments(op, op.getArgs(), {use});
}
LogicalResult LoadOp::verify() { return verifyLine(*this, kWrites); }
LogicalResult StoreOp::verify() { return verifyLine(*this, kReads); }

LogicalResult JoinOp::verify() { return verifyArguments(*this, getArgs(), {}); }
