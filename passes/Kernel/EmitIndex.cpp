//===- EmitIndex.cpp - Gathers and scatters -------------------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
MemRefType typeOf(Value memref) { return cast<MemRefType>(memref.getType()); }

int64_t product(ArrayRef<int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

Value compare(Emitter &e, arith::CmpIPredicate predicate, Value x, Value y) {
  return e.b.create<arith::CmpIOp>(e.loc, predicate, x, y);
}
Value both(Emitter &e, Value x, Value y) {
  return e.b.create<arith::AndIOp>(e.loc, x, y);
}
Value choose(Emitter &e, Value condition, Value x, Value y) {
  return e.b.create<arith::SelectOp>(e.loc, condition, x, y);
}
Value plus(Emitter &e, Value x, Value y) {
  return e.b.create<arith::AddIOp>(e.loc, x, y);
}
Value minus(Emitter &e, Value x, Value y) {
  return e.b.create<arith::SubIOp>(e.loc, x, y);
}
Value times(Emitter &e, Value x, int64_t y) {
  return y == 1 ? x : e.b.create<arith::MulIOp>(e.loc, x, e.index(y));
}
Value quotient(Emitter &e, Value x, int64_t y) {
  return e.b.create<arith::DivUIOp>(e.loc, x, e.index(y));
}
Value remainder(Emitter &e, Value x, int64_t y) {
  return e.b.create<arith::RemUIOp>(e.loc, x, e.index(y));
}

Value same(OpBuilder &, Location, ValueRange args) { return args[0]; }

/// A table of rows that indices name: `batches` tables of `rows` rows of
/// `width` elements, and `count` indices for each.
struct Places {
  int64_t batches, rows, count, width;

  Places(RankedTensorType table, RankedTensorType indices, int64_t batchDims)
      : batches(product(table.getShape().take_front(batchDims))),
        rows(table.getDimSize(batchDims)),
        count(product(indices.getShape().drop_front(batchDims))),
        width(product(table.getShape().drop_front(batchDims + 1))) {}

  Value tables(Emitter &e, Value memref) const {
    return e.view(memref, {batches * rows, width});
  }
  Value looked(Emitter &e, Value memref) const {
    return e.view(memref, {batches * count, width});
  }
};

RankedTensorType tensorOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Row `i` of the indices, checked against the table's rows: out of range is a
/// failure of the kernel, and row 0 is taken instead.
Value checkedIndex(Emitter &e, Value indices, Value i, int64_t rows) {
  Value index = e.toIndex(e.load(indices, i));
  Value bad = compare(e, arith::CmpIPredicate::uge, index, e.index(rows));
  e.failIf(bad);
  return choose(e, bad, e.index(0), index);
}

//===----------------------------------------------------------------------===//
// Gathers
//===----------------------------------------------------------------------===//

/// Narrower rows are not worth the threads of a block each.
constexpr int64_t kNarrow = 32;

LogicalResult emit(Emitter &e, onnx::GatherOp op) {
  Places p(tensorOf(op.getTable()), tensorOf(op.getIndices()),
           op.getBatchDims());
  Value table = p.tables(e, e.ins[0]), out = p.looked(e, e.outs[0]);
  Value indices = e.view(e.ins[1], {p.batches * p.count});
  e.extent = p.batches * p.count;
  auto rowOf = [&](Value i) {
    Value index = checkedIndex(e, indices, i, p.rows);
    return p.batches == 1
               ? index
               : plus(e, index, times(e, quotient(e, i, p.count), p.rows));
  };
  if (p.width < kNarrow)
    e.parallelLoop(e.begin, e.end, [&](Value i) {
      Value row = rowOf(i);
      e.parallelLoop(e.index(0), e.index(p.width), [&](Value j) {
        e.store(e.load(table, {row, j}), out, {i, j});
      });
    });
  else
    e.loop(e.begin, e.end, [&](Value i) {
      e.map({e.row(table, rowOf(i))}, e.row(out, i), same);
    });
  return success();
}

//===----------------------------------------------------------------------===//
// Scatters
//===----------------------------------------------------------------------===//

/// Rows of a table that one iteration of a scatter owns. All indices are looked
/// at for each: few beside the bytes of the rows. Rows in half precision are
/// summed in f32 in scratch, so there are fewer.
constexpr int64_t kTableBlock = 512;
constexpr int64_t kHalfTableBlock = 64;
/// Columns that one iteration owns: a table of few wide rows (experts) is
/// shared by many iterations, and scratch stays small.
constexpr int64_t kScatterColumns = 4096;

int64_t rowBlock(bool isHalf, int64_t rows) {
  return std::min(rows, isHalf ? kHalfTableBlock : kTableBlock);
}
int64_t columnsOf(int64_t width) { return std::min(width, kScatterColumns); }

/// out = base with `updates` added to, or stored in, the rows that the indices
/// name, in the order of the indices.
struct Scatter {
  Places p;
  Value indices, base, updates, out; ///< base, updates: memrefs or scalars
  bool adds;
  std::optional<int64_t> skipped; ///< a row that takes no update
};

/// What one iteration owns: rows [low, high) of table `batch`, and columns of
/// theirs. Row r is row r - from of `sums`, which has these columns alone when
/// it is scratch.
struct Own {
  Value batch, low, high;
  std::optional<Emitter::Columns> columns; ///< none: all
  Value sums, from;
  bool isScratch;
};

/// The own columns of row `i` of `memref`.
Value partOf(Emitter &e, const Own &own, Value memref, Value i) {
  Value row = e.row(memref, i);
  return own.columns ? e.slice(row, *own.columns) : row;
}

/// The own columns of row `i` of what may be a scalar for all.
Value operandOf(Emitter &e, const Own &own, Value operand, Value i) {
  return isa<MemRefType>(operand.getType()) ? partOf(e, own, operand, i)
                                            : operand;
}

/// Where row `r` of the table is computed.
Value sumOf(Emitter &e, const Own &own, Value r) {
  Value row = e.row(own.sums, minus(e, r, own.from));
  if (!own.columns)
    return row;
  return own.isScratch ? e.slice(row, e.index(0), own.columns->size)
                       : e.slice(row, *own.columns);
}

/// `operand` in `target`, element by element.
void copyInto(Emitter &e, Value operand, Value target) {
  if (isa<MemRefType>(operand.getType()))
    e.map({operand}, target, same);
  else
    e.fill(target, operand);
}

/// Takes update `i` (counted over all tables), whose row of its table is
/// `index`, if that row is an own one.
void takeUpdate(Emitter &e, const Scatter &s, const Own &own, Value i,
                Value index) {
  Value row = plus(e, index, times(e, own.batch, s.p.rows));
  Value counts = both(e, compare(e, arith::CmpIPredicate::uge, row, own.low),
                      compare(e, arith::CmpIPredicate::ult, row, own.high));
  if (s.skipped)
    counts =
        both(e, counts,
             compare(e, arith::CmpIPredicate::ne, index, e.index(*s.skipped)));
  auto ifOp = e.b.create<scf::IfOp>(e.loc, counts, false);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(ifOp.thenBlock());
  Value target = sumOf(e, own, row);
  Value update = operandOf(e, own, s.updates, i);
  if (!s.adds)
    return copyInto(e, update, target);
  auto sum = [&](OpBuilder &b, Location loc, Value old, Value more) -> Value {
    if (isa<IntegerType>(old.getType()))
      return b.create<arith::AddIOp>(loc, old, more);
    return b.create<arith::AddFOp>(loc, old, more);
  };
  if (!isa<MemRefType>(update.getType()))
    return e.map({target}, target,
                 [&](OpBuilder &b, Location loc, ValueRange args) {
                   return sum(b, loc, args[0], update);
                 });
  e.map({update, target}, target,
        [&](OpBuilder &b, Location loc, ValueRange args) {
          return sum(b, loc, args[1], args[0]);
        });
}

/// One iteration. Updates come one after the other: the order, and so the bits,
/// are fixed.
void emitOwnRows(Emitter &e, const Scatter &s, const Own &own) {
  e.loop(own.low, own.high, [&](Value r) {
    copyInto(e, operandOf(e, own, s.base, r), sumOf(e, own, r));
  });
  Value first = times(e, own.batch, s.p.count);
  e.loop(e.index(0), e.index(s.p.count), [&](Value i) {
    Value place = plus(e, first, i);
    Value index = checkedIndex(e, s.indices, place, s.p.rows);
    takeUpdate(e, s, own, place, index);
  });
  if (own.isScratch)
    e.loop(own.low, own.high, [&](Value r) {
      e.map({sumOf(e, own, r)}, partOf(e, own, s.out, r), same);
    });
}

void emitScatter(Emitter &e, const Scatter &s) {
  bool isHalf = bool(e.scratch);
  int64_t rows = rowBlock(isHalf, s.p.rows), columns = columnsOf(s.p.width);
  int64_t rowBlocks = llvm::divideCeil(s.p.rows, rows);
  int64_t columnBlocks = llvm::divideCeil(s.p.width, columns);
  e.extent = s.p.batches * rowBlocks * columnBlocks;
  e.loop(e.begin, e.end, [&](Value i) {
    Value block = quotient(e, i, columnBlocks);
    Own own;
    own.batch = quotient(e, block, rowBlocks);
    Value start = times(e, own.batch, s.p.rows);
    Value low = times(e, remainder(e, block, rowBlocks), rows);
    Value end = e.b.create<arith::MinSIOp>(e.loc, plus(e, low, e.index(rows)),
                                           e.index(s.p.rows));
    own.low = plus(e, start, low);
    own.high = plus(e, start, end);
    if (columnBlocks > 1) {
      Value column = times(e, remainder(e, i, columnBlocks), columns);
      Value size = e.b.create<arith::MinSIOp>(
          e.loc, e.index(columns), minus(e, e.index(s.p.width), column));
      own.columns = {column, size};
    }
    own.isScratch = isHalf;
    own.sums = isHalf ? e.view(e.scratch, {rows, columns}) : s.out;
    own.from = isHalf ? own.low : e.index(0);
    emitOwnRows(e, s, own);
  });
}

LogicalResult emit(Emitter &e, train::GatherGradOp op) {
  Places p(tensorOf(op.getDtable()), tensorOf(op.getIndices()),
           op.getBatchDims());
  Type element = e.computeType(typeOf(e.outs[0]).getElementType());
  emitScatter(e, {p, e.view(e.ins[0], {p.batches * p.count}),
                  e.number(element, 0), p.looked(e, e.ins[1]),
                  p.tables(e, e.outs[0]), /*adds=*/true, op.getPaddingIdx()});
  return success();
}

/// The buffer of an operand under `shape`, or the number of which the kernel
/// holds it to consist.
Value bufferOrNumber(Emitter &e, Value operand, ArrayRef<int64_t> shape) {
  // One tensor may be an operand twice, and is then one argument.
  if (auto argument = dyn_cast<BlockArgument>(operand))
    return e.view(e.ins[argument.getArgNumber()], shape);
  auto constant = operand.getDefiningOp<onnx::ConstantOp>();
  auto value = cast<TypedAttr>(
      cast<DenseElementsAttr>(constant.getValue()).getSplatValue<Attribute>());
  return Emitter::widen(e.b, e.loc,
                        e.b.create<arith::ConstantOp>(e.loc, value));
}

LogicalResult emit(Emitter &e, onnx::ScatterOp op) {
  Places p(tensorOf(op.getX()), tensorOf(op.getIndices()), op.getBatchDims());
  auto indices = dyn_cast<BlockArgument>(op.getIndices());
  if (!indices)
    return op.emitOpError("reads constant indices inside its kernel");
  int64_t looked = p.batches * p.count;
  emitScatter(e, {p, e.view(e.ins[indices.getArgNumber()], {looked}),
                  bufferOrNumber(e, op.getX(), {p.batches * p.rows, p.width}),
                  bufferOrNumber(e, op.getUpdates(), {looked, p.width}),
                  p.tables(e, e.outs[0]), op.getAdd(), std::nullopt});
  return success();
}

} // namespace

MemRefType fsdp::scratchOfIndex(Operation *op) {
  auto scatter = dyn_cast<onnx::ScatterOp>(op);
  if (!isa<train::GatherGradOp>(op) && !(scatter && scatter.getAdd()))
    return nullptr;
  auto type = tensorOf(op->getResult(0));
  Type element = onnx::statisticsType(type.getElementType());
  if (element == type.getElementType())
    return nullptr;
  int64_t batchDims = scatter ? scatter.getBatchDims()
                              : cast<train::GatherGradOp>(op).getBatchDims();
  ArrayRef<int64_t> shape = type.getShape().drop_front(batchDims);
  return MemRefType::get({rowBlock(/*isHalf=*/true, shape[0]) *
                          columnsOf(product(shape.drop_front()))},
                         element);
}

LogicalResult fsdp::emitIndex(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::GatherOp, onnx::ScatterOp, train::GatherGradOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
