//===- FsdpRtVerifiers.cpp - Constraints of the fsdprt dialect ------------===//
//
// What an op says must fit its descriptor in runtime/abi/fsdprt.h and the bytes
// of its arguments. What buffers and other ops say is for --fsdprt-verify.
//
//===----------------------------------------------------------------------===//
#include "dialects/FsdpRt/FsdpRt.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace fsdp::rt;

namespace {
/// Numbers of the header's int32_t fields.
constexpr int64_t kMost32 = std::numeric_limits<int32_t>::max();

using Accesses = ArrayRef<Access>;
const Access kReads[] = {Access::Read};
const Access kWrites[] = {Access::Write, Access::ReadWrite};
const Access kUpdates[] = {Access::ReadWrite};
const Access kScratch[] = {Access::Scratch};

ArgAttr argument(ArrayAttr args, size_t i) { return cast<ArgAttr>(args[i]); }

/// (dispatch_c5): the events of a dispatch are those of its phase.
LogicalResult verifyPlace(Operation *op) {
  if (isa_and_nonnull<PhaseOp>(op->getParentOp()))
    return success();
  return op->emitOpError("stands outside of a phase (dispatch_c5)");
}

/// (dispatch_c1): as many arguments as `expected`, each with one of these uses.
LogicalResult verifyArguments(Operation *op, ArrayAttr args,
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

/// (dispatch_c2): argument `i` has the bytes of `count` elements of `dtype`.
LogicalResult verifyBytes(Operation *op, ArrayAttr args, size_t i,
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

/// (dispatch_c3): `value`, what `name` says, is in [least, most].
LogicalResult verifyRange(Operation *op, StringRef name, int64_t value,
                          int64_t least,
                          int64_t most = std::numeric_limits<int64_t>::max()) {
  if (value >= least && value <= most)
    return success();
  InFlightDiagnostic diagnostic =
      op->emitOpError("has ") << name << " " << value << ", expected " << least;
  if (most == std::numeric_limits<int64_t>::max())
    return diagnostic << " or more (dispatch_c3)";
  return diagnostic << " to " << most << " (dispatch_c3)";
}

/// (dispatch_c4): the runtime has a code for the type.
LogicalResult verifyDtype(Operation *op, Type dtype) {
  if (isStoredType(dtype))
    return success();
  return op->emitOpError("has element type ")
         << dtype
         << ", expected one of f32, f64, bf16, f16, i64, i32, i8 and i1 "
            "(dispatch_c4)";
}
} // namespace

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

/// The bytes from the first element of a matrix operand to its last one's end;
/// none where they are too many to count.
static std::optional<int64_t>
spannedBytes(ArrayRef<int64_t> extents, ArrayRef<int64_t> strides, Type dtype) {
  int64_t last = 0, bytes;
  for (auto [extent, stride] : llvm::zip_equal(extents, strides)) {
    int64_t step;
    if (llvm::MulOverflow(extent - 1, stride, step) ||
        llvm::AddOverflow(last, step, last))
      return std::nullopt;
  }
  if (llvm::AddOverflow(last, int64_t(1), last) ||
      llvm::MulOverflow(last, bytesOf(dtype), bytes))
    return std::nullopt;
  return bytes;
}

/// (gemm_c3): argument `i` of the product holds a `rows` x `columns` matrix for
/// each entry of the batch.
static LogicalResult verifyMatrix(GemmOp op, size_t i, int64_t rows,
                                  int64_t columns, ArrayRef<int64_t> strides,
                                  Type dtype) {
  SmallVector<int64_t> extents(op.getBatch());
  extents.append({rows, columns});
  std::optional<int64_t> bytes = spannedBytes(extents, strides, dtype);
  if (!bytes || argument(op.getArgs(), i).getBytes() < *bytes)
    return op.emitOpError("argument ")
           << i << " has " << argument(op.getArgs(), i).getBytes()
           << " bytes, too few for its extents and strides (gemm_c3)";
  return success();
}

/// (gemm_c1) and (gemm_c2): what the descriptor holds.
static LogicalResult verifyProblem(GemmOp op) {
  constexpr size_t kMaxBatch = 4; // FSDPRT_MAX_BATCH_DIMS
  size_t rank = op.getBatch().size();
  ArrayRef<int64_t> all[] = {op.getAStrides(), op.getBStrides(),
                             op.getCStrides()};
  auto isPositive = [](int64_t x) { return x > 0; };
  int64_t sizes[] = {int64_t(op.getM()), int64_t(op.getN()),
                     int64_t(op.getK())};
  if (!llvm::all_of(sizes, isPositive) ||
      !llvm::all_of(op.getBatch(), isPositive) || rank > kMaxBatch)
    return op.emitOpError("has batch [")
           << op.getBatch() << "] of " << sizes[0] << " x " << sizes[1] << " x "
           << sizes[2] << ", expected extents of 1 or more and at most "
           << kMaxBatch << " of a batch (gemm_c1)";
  for (ArrayRef<int64_t> strides : all)
    if (strides.size() != rank + 2 ||
        llvm::any_of(strides, [](int64_t x) { return x < 0; }) ||
        !llvm::is_contained(strides.take_back(2), 1))
      return op.emitOpError("has strides [")
             << strides << "], expected " << rank + 2
             << " of 0 or more, one of the last two 1 (gemm_c2)";
  if (op.getCStrides().back() != 1)
    return op.emitOpError("has column stride ")
           << op.getCStrides().back() << " of C, expected 1 (gemm_c2)";
  return success();
}

LogicalResult GemmOp::verify() {
  Type dtype = getDtype(), cDtype = getCDtype();
  if (!(dtype.isF32() || dtype.isBF16()) ||
      !(cDtype == dtype || cDtype.isF32()))
    return emitOpError("multiplies ")
           << dtype << " to " << cDtype
           << ", expected f32 or bf16, to the same or to f32 (gemm_c4)";
  if (failed(verifyProblem(*this)))
    return failure();
  SmallVector<Accesses> expected = {
      kReads, kReads, getAccumulate() ? Accesses(kUpdates) : Accesses(kWrites)};
  expected.append(size_t(getBias()) + size_t(getResidual()), kReads);
  if (getArgs().size() > expected.size())
    expected.push_back(kScratch);
  if (failed(verifyArguments(*this, getArgs(), expected)))
    return failure();
  int64_t m = getM(), n = getN(), k = getK();
  if (failed(verifyMatrix(*this, 0, m, k, getAStrides(), dtype)) ||
      failed(verifyMatrix(*this, 1, k, n, getBStrides(), dtype)) ||
      failed(verifyMatrix(*this, 2, m, n, getCStrides(), cDtype)))
    return failure();
  size_t next = 3;
  if (getBias() && failed(verifyBytes(*this, getArgs(), next++, n, dtype)))
    return failure();
  if (getResidual())
    return verifyMatrix(*this, next, m, n, getCStrides(), cDtype);
  return success();
}

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
