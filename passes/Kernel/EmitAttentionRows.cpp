//===- EmitAttentionRows.cpp - Attention between products -----------------===//
//
// An iteration is a row of the scores that a product of the library left. Every
// pass over it computes the exponentials again: they cost less than memory for
// what would be kept, which in bf16 is wider than the result.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/AttentionRows.h"
#include "passes/Kernel/MathExpansion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

Value fsdp::maskRow(Emitter &e, Value mask, ArrayRef<Value> places,
                    Value count) {
  ArrayRef<int64_t> shape = cast<MemRefType>(mask.getType()).getShape();
  Value offset = e.index(0);
  int64_t step = 1, last = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    size_t full = d + 4 - shape.size();
    if (full == 3)
      last = shape[d] == 1 ? 0 : 1;
    else if (shape[d] != 1)
      offset = addIndex(e, offset, scaleIndex(e, places[full], step));
    step *= shape[d];
  }
  return e.strided(mask, offset, count, last);
}

void fsdp::clearColumns(Emitter &e, const Tile &tile, Value i, Value from,
                        Value to) {
  Value offset = addIndex(
      e, addIndex(e, tile.offset, scaleIndex(e, i, tile.stride)), from);
  Value count = e.b.create<arith::SubIOp>(e.loc, to, from);
  e.fill(e.strided(tile.memref, offset, count, 1), e.number(tile.element(), 0));
}

namespace {
/// The rows of a block, and what both kernels compute of one.
class Rows {
public:
  template <typename Op>
  Rows(Emitter &e, Op op, Value mask)
      : e(e), mask(mask), first(op.getFirst()),
        behind(int64_t(op.getWidth()) - int64_t(op.getHeight())),
        causal(op.getCausal()) {
    auto type = cast<RankedTensorType>(op.getScores().getType());
    extents.assign(type.getShape().begin(), type.getShape().end() - 1);
    columns = type.getShape().back();
    element = type.getElementType();
    e.extent = extents[0] * extents[1] * extents[2];
    scale = e.number(element, op.getScale().convertToDouble());
  }

  /// Row number `row` of the kernel's rows.
  struct Row {
    Value number, count;      ///< and the columns that it sees
    SmallVector<Value> parts; ///< of its scores: products, mask
  };
  Row at(Value number) const {
    SmallVector<Value> places = e.delinearize(number, extents);
    places[2] = addIndex(e, places[2], e.index(first));
    Row row = {number, e.index(columns), {}};
    if (causal)
      row.count = addIndex(e, places[2], e.index(behind + 1));
    row.parts.push_back(lineOf(e.ins[0], row));
    if (mask)
      row.parts.push_back(maskRow(e, mask, places, row.count));
    return row;
  }

  Tile tile(Value memref) const { return {memref, e.index(0), columns}; }
  Value lineOf(Value memref, const Row &row) const {
    return line(e, tile(memref), row.number, row.count);
  }

  Value score(OpBuilder &b, Location loc, ValueRange parts) const {
    Value scaled = b.create<arith::MulFOp>(loc, parts[0], scale);
    return mask ? b.create<arith::AddFOp>(loc, scaled, parts[1]) : scaled;
  }
  /// e^(score - largest)
  Value power(OpBuilder &b, Location loc, ValueRange parts,
              Value largest) const {
    return emitExpNonPositive(
        b, loc, b.create<arith::SubFOp>(loc, score(b, loc, parts), largest));
  }

  /// Zero in the columns of `memref` that the row does not see.
  void clearRest(Value memref, const Row &row) const {
    if (causal)
      clearColumns(e, tile(memref), row.number, row.count, e.index(columns));
  }

  Emitter &e;
  Value mask, scale;
  int64_t first, behind; ///< row of the head; columns before its first row's
  bool causal;
  SmallVector<int64_t> extents; ///< B, H, R
  int64_t columns;
  Type element;
};

LogicalResult emit(Emitter &e, train::AttentionRowsOp op) {
  Rows rows(e, op, op.getMask() ? e.ins[1] : Value());
  Value most = e.view(e.outs[1], {e.extent});
  Value sums = e.view(e.outs[2], {e.extent});
  Value one = e.number(rows.element, 1);
  Value low = e.number(rows.element, -std::numeric_limits<double>::infinity());
  bool isDivided =
      cast<RankedTensorType>(op.getP().getType()).getElementType() ==
      rows.element;
  e.loop(e.begin, e.end, [&](Value number) {
    Rows::Row row = rows.at(number);
    Value largest =
        e.reduce(row.parts, low,
                 [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                   return b.create<arith::MaxNumFOp>(
                       loc, args[0], rows.score(b, loc, args.drop_front()),
                       kVectorizableMax);
                 });
    Value total =
        e.sum(row.parts, rows.element,
              [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                return rows.power(b, loc, args, largest);
              });
    Value share = isDivided ? e.div(one, total) : one;
    e.map(row.parts, rows.lineOf(e.outs[0], row),
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            Value power = rows.power(b, loc, args, largest);
            return isDivided ? b.create<arith::MulFOp>(loc, power, share)
                             : power;
          });
    rows.clearRest(e.outs[0], row);
    e.store(largest, most, number);
    e.store(total, sums, number);
  });
  return success();
}

LogicalResult emit(Emitter &e, train::AttentionDivideOp op) {
  auto type = cast<RankedTensorType>(op.getValues().getType());
  ArrayRef<int64_t> shape = type.getShape();
  int64_t heads = shape[0] * shape[1], height = shape[2], width = shape[3];
  e.extent = heads * height;
  Value sums = e.view(e.ins[1], {e.extent});
  Value one = e.number(type.getElementType(), 1);
  Value most = e.index(int64_t(op.getRows()));
  auto minus = [&](Value a, Value b) -> Value {
    return e.b.create<arith::SubIOp>(e.loc, a, b);
  };
  e.loop(e.begin, e.end, [&](Value number) {
    SmallVector<Value> at = e.delinearize(number, {heads, height});
    Value within = e.b.create<arith::RemUIOp>(e.loc, at[1], most);
    Value first = minus(at[1], within); // row of the block
    Value count =
        e.b.create<arith::MinUIOp>(e.loc, most, minus(e.index(height), first));
    Value before = addIndex(e, scaleIndex(e, first, heads),
                            e.b.create<arith::MulIOp>(e.loc, at[0], count));
    Value share = e.div(one, e.load(sums, addIndex(e, before, within)));
    auto lineOf = [&](Value memref) {
      return line(e, {memref, e.index(0), width}, number, e.index(width));
    };
    e.map({lineOf(e.ins[0])}, lineOf(e.outs[0]),
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            return b.create<arith::MulFOp>(loc, args[0], share);
          });
  });
  return success();
}

LogicalResult emit(Emitter &e, train::AttentionRowsGradOp op) {
  Rows rows(e, op, op.getMask() ? e.ins[4] : Value());
  Value most = e.view(e.ins[1], {e.extent});
  Value sums = e.view(e.ins[2], {e.extent});
  Value one = e.number(rows.element, 1);
  e.loop(e.begin, e.end, [&](Value number) {
    Rows::Row row = rows.at(number);
    Value largest = e.load(most, number);
    Value share = e.div(one, e.load(sums, number));
    SmallVector<Value> parts = {rows.lineOf(e.ins[3], row)}; // dp, the scores
    llvm::append_range(parts, row.parts);
    size_t count = parts.size();
    auto probability = [&](OpBuilder &b, Location loc, ValueRange args) {
      Value power = rows.power(b, loc, args.slice(1, count - 1), largest);
      return b.create<arith::MulFOp>(loc, power, share);
    };
    Value dot =
        e.sum(parts, rows.element,
              [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                return b.create<arith::MulFOp>(loc, probability(b, loc, args),
                                               args[0]);
              });
    Value outs[] = {rows.lineOf(e.outs[0], row), rows.lineOf(e.outs[1], row)};
    e.mapAll(parts, outs, [&](OpBuilder &b, Location loc, ValueRange args) {
      Value p = probability(b, loc, args);
      Value ds = b.create<arith::MulFOp>(
          loc, p, b.create<arith::SubFOp>(loc, args[0], dot));
      return SmallVector<Value>{p,
                                b.create<arith::MulFOp>(loc, ds, rows.scale)};
    });
    rows.clearRest(e.outs[0], row);
    rows.clearRest(e.outs[1], row);
  });
  return success();
}
} // namespace

LogicalResult fsdp::emitAttentionRows(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<train::AttentionRowsOp, train::AttentionRowsGradOp,
            train::AttentionDivideOp>(
          [&](auto typed) { return emit(e, typed); });
}
