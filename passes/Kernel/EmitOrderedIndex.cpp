//===- EmitOrderedIndex.cpp - Gradients of gathers by sorted indices ------===//
//
// Where there are blocks for every row of a table, a row should not look at all
// the indices: they are sorted once, by comparing each with each. That is one
// kernel without an order of its own, and quadratic: for tens of thousands of
// indices it should take no longer than the sums; --kernel-order-gathers has a
// limit.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Indices that one iteration places, so that all others are read once for
/// them; rows of dy that are added at once.
constexpr int64_t kAtOnce = 8;

/// Columns that one iteration sums.
constexpr int64_t kColumns = 1024;

Value compare(OpBuilder &b, Location loc, arith::CmpIPredicate predicate,
              Value x, Value y) {
  return b.create<arith::CmpIOp>(loc, predicate, x, y);
}

/// An index as i32: 0 where it is none of `rows`, which `bad` says.
std::pair<Value, Value> narrow(OpBuilder &b, Location loc, Value index,
                               int64_t rows) {
  Type type = index.getType(), i32 = b.getI32Type();
  auto number = [&](int64_t value) -> Value {
    return b.create<arith::ConstantOp>(loc, b.getIntegerAttr(type, value));
  };
  Value bad = compare(b, loc, arith::CmpIPredicate::uge, index, number(rows));
  Value held = b.create<arith::SelectOp>(loc, bad, number(0), index);
  if (type != i32)
    held = b.create<arith::TruncIOp>(loc, i32, held);
  return {held, bad};
}

/// Of each of `keys`, at `places`: 1 where the index at hand comes before it,
/// being smaller, or equal and further in front.
SmallVector<Value> isBefore(OpBuilder &b, Location loc, Value other,
                            ArrayRef<Value> keys, ArrayRef<Value> places) {
  Type i32 = b.getI32Type();
  Value at =
      b.create<arith::IndexCastOp>(loc, i32, b.create<linalg::IndexOp>(loc, 0));
  SmallVector<Value> terms;
  for (auto [place, key] : llvm::zip_equal(places, keys)) {
    Value less = compare(b, loc, arith::CmpIPredicate::ult, other, key);
    Value equal = compare(b, loc, arith::CmpIPredicate::eq, other, key);
    Value inFront = compare(b, loc, arith::CmpIPredicate::ult, at, place);
    Value before = b.create<arith::OrIOp>(
        loc, less, b.create<arith::AndIOp>(loc, equal, inFront));
    terms.push_back(b.create<arith::ExtUIOp>(loc, i32, before));
  }
  return terms;
}

/// The place of an index is the number of those that come before it.
LogicalResult emit(Emitter &e, train::OrderIndicesOp op) {
  int64_t count = cast<MemRefType>(e.ins[0].getType()).getNumElements();
  Value indices = e.view(e.ins[0], {count});
  Type i32 = e.b.getI32Type();
  e.extent = llvm::divideCeil(count, kAtOnce);
  e.loop(e.begin, e.end, [&](Value group) {
    SmallVector<Value> places, keys;
    Value first = e.b.create<arith::MulIOp>(e.loc, group, e.index(kAtOnce));
    for (int64_t k = 0; k < kAtOnce; ++k) {
      // The last group may place one more than once, which changes nothing.
      Value place = e.b.create<arith::MinSIOp>(
          e.loc, e.b.create<arith::AddIOp>(e.loc, first, e.index(k)),
          e.index(count - 1));
      auto [key, bad] =
          narrow(e.b, e.loc, e.load(indices, place), op.getRows());
      e.failIf(bad);
      places.push_back(e.b.create<arith::IndexCastOp>(e.loc, i32, place));
      keys.push_back(key);
    }
    SmallVector<Value> ranks =
        e.sums({indices}, i32, kAtOnce,
               [&](OpBuilder &b, Location loc, ValueRange args) {
                 Value other = narrow(b, loc, args[0], op.getRows()).first;
                 return isBefore(b, loc, other, keys, places);
               });
    for (auto [place, key, rank] : llvm::zip_equal(places, keys, ranks)) {
      e.store(place, e.outs[0], e.toIndex(rank));
      e.store(key, e.outs[1], e.toIndex(rank));
    }
  });
  return success();
}

/// The first place of `sorted` whose element is not below `key`.
Value lowerBound(Emitter &e, Value sorted, Value key) {
  int64_t count = cast<MemRefType>(sorted.getType()).getDimSize(0);
  auto halve = [&](OpBuilder &b, Location loc, Value, ValueRange range) {
    Value low = range[0], high = range[1];
    Value middle = b.create<arith::DivUIOp>(
        loc, b.create<arith::AddIOp>(loc, low, high), e.index(2));
    Value within = b.create<arith::MinUIOp>(loc, middle, e.index(count - 1));
    Value open = compare(b, loc, arith::CmpIPredicate::ult, low, high);
    Value below =
        compare(b, loc, arith::CmpIPredicate::ult, e.load(sorted, within), key);
    Value next = b.create<arith::AddIOp>(loc, middle, e.index(1));
    Value goesUp = b.create<arith::AndIOp>(loc, open, below);
    Value newLow = b.create<arith::SelectOp>(loc, goesUp, next, low);
    Value newHigh = b.create<arith::SelectOp>(loc, below, high, middle);
    b.create<scf::YieldOp>(
        loc, ValueRange{newLow,
                        b.create<arith::SelectOp>(loc, open, newHigh, high)});
  };
  auto steps = e.b.create<scf::ForOp>(
      e.loc, e.index(0), e.index(llvm::Log2_64_Ceil(count) + 1), e.index(1),
      ValueRange{e.index(0), e.index(count)},
      [&](OpBuilder &b, Location loc, Value step, ValueRange range) {
        halve(b, loc, step, range);
      });
  return steps.getResult(0);
}

/// The table's gradient, and how its kernel shares it.
struct OrderedRows {
  Emitter &e;
  std::optional<int64_t> padding; ///< a row that stays zero
  int64_t rows, width, columns, blocks;
  Value order, sorted, dy, table;
  Type element;

  OrderedRows(Emitter &e, train::GatherGradOrderedOp op)
      : e(e), padding(op.getPaddingIdx()), order(e.ins[0]), sorted(e.ins[1]) {
    auto type = cast<MemRefType>(e.outs[0].getType());
    int64_t count = cast<MemRefType>(order.getType()).getDimSize(0);
    rows = type.getDimSize(0), width = type.getNumElements() / rows;
    columns = std::min(width, kColumns);
    blocks = llvm::divideCeil(width, columns);
    dy = e.view(e.ins[2], {count, width});
    table = e.view(e.outs[0], {rows, width});
    element = e.computeType(type.getElementType());
  }

  /// The places in `sorted` of those that name `row`.
  std::pair<Value, Value> placesOf(Value row) const {
    Type key = cast<MemRefType>(sorted.getType()).getElementType();
    Value next = e.b.create<arith::AddIOp>(e.loc, row, e.index(1));
    Value from =
        lowerBound(e, sorted, e.b.create<arith::IndexCastOp>(e.loc, key, row));
    Value to =
        lowerBound(e, sorted, e.b.create<arith::IndexCastOp>(e.loc, key, next));
    if (!padding)
      return {from, to};
    Value isPadding =
        compare(e.b, e.loc, arith::CmpIPredicate::eq, row, e.index(*padding));
    return {from, e.b.create<arith::SelectOp>(e.loc, isPadding, from, to)};
  }

  /// Block `block` of columns; none: all.
  std::optional<Emitter::Columns> columnsOf(Value block) const {
    if (blocks == 1)
      return std::nullopt;
    Value low = e.b.create<arith::MulIOp>(e.loc, block, e.index(columns));
    Value left = e.b.create<arith::SubIOp>(e.loc, e.index(width), low);
    return Emitter::Columns{
        low, e.b.create<arith::MinSIOp>(e.loc, left, e.index(columns))};
  }

  /// Adds rows of dy to `sums`, one after the other as they stand there.
  void add(Value from, Value to, Value sums,
           llvm::function_ref<Value(Value)> own) const {
    e.groups(from, to, kAtOnce, [&](Value first, int64_t atOnce) {
      SmallVector<Value> ins = {sums};
      for (int64_t k = 0; k < atOnce; ++k) {
        Value at = e.b.create<arith::AddIOp>(e.loc, first, e.index(k));
        ins.push_back(own(e.row(dy, e.toIndex(e.load(order, at)))));
      }
      e.map(ins, sums,
            [](OpBuilder &b, Location loc, ValueRange args) -> Value {
              Value sum = args.front();
              for (Value row : args.drop_front())
                sum = b.create<arith::AddFOp>(loc, sum, row);
              return sum;
            });
    });
  }
};

/// One iteration is a row of the table, or kColumns of it.
LogicalResult emit(Emitter &e, train::GatherGradOrderedOp op) {
  OrderedRows table(e, op);
  Value tile = e.stack(table.element, {table.columns});
  e.extent = table.rows * table.blocks;
  e.loop(e.begin, e.end, [&](Value i) {
    SmallVector<Value> place = e.delinearize(i, {table.rows, table.blocks});
    auto [from, to] = table.placesOf(place[0]);
    std::optional<Emitter::Columns> part = table.columnsOf(place[1]);
    auto own = [&](Value row) { return part ? e.slice(row, *part) : row; };
    Value sums = part ? e.slice(tile, e.index(0), part->size) : tile;
    e.fill(sums, e.number(table.element, 0));
    table.add(from, to, sums, own);
    e.map({sums}, own(e.row(table.table, place[0])),
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  });
  return success();
}
} // namespace

LogicalResult fsdp::emitOrderedIndex(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::OrderIndicesOp, train::GatherGradOrderedOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
