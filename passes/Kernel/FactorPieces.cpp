//===- FactorPieces.cpp - What a rank has of parameters -------------------===//
#include "passes/Kernel/FactorPieces.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

Value Indices::add(Value x, Value y) {
  return e.b.create<arith::AddIOp>(e.loc, x, y);
}
Value Indices::sub(Value x, Value y) {
  return e.b.create<arith::SubIOp>(e.loc, x, y);
}
Value Indices::mul(Value x, int64_t y) {
  return e.b.create<arith::MulIOp>(e.loc, x, e.index(y));
}
Value Indices::min(Value x, Value y) {
  return e.b.create<arith::MinSIOp>(e.loc, x, y);
}
Value Indices::max(Value x, Value y) {
  return e.b.create<arith::MaxSIOp>(e.loc, x, y);
}
Value Indices::div(Value x, int64_t y) {
  return e.b.create<arith::DivUIOp>(e.loc, x, e.index(y));
}
Value Indices::ceilDiv(Value x, int64_t y) {
  return div(add(x, e.index(y - 1)), y);
}

Pieces::Pieces(Emitter &e, ArrayAttr attrs) : e(e), i{e} {
  for (auto attr : attrs.getAsRange<train::PieceAttr>()) {
    all.push_back({attr, numFactors});
    numFactors += attr.getNumFactors();
  }
}

void Pieces::place(Value rank, int64_t size) {
  blocks = llvm::divideCeil(size, train::kFactorBlock);
  Value number = e.toIndex(e.load(rank));
  int64_t sums = 0;
  for (Piece &piece : all) {
    Value before = i.mul(number, piece.attr.getStride());
    piece.shift = i.sub(e.index(piece.attr.getOffset()), before);
    auto elementAt = [&](int64_t place) {
      return e.within(i.sub(e.index(place), piece.shift), 0,
                      piece.attr.getNumElements());
    };
    piece.elements = {elementAt(piece.attr.getBegin()),
                      elementAt(piece.attr.getEnd())};
    piece.sums = sums;
    sums += blocks;
  }
}

void Pieces::iterations(int64_t count, llvm::function_ref<void(Value)> body) {
  e.loop(e.within(e.begin, e.extent, count), e.within(e.end, e.extent, count),
         body);
  e.extent += count;
}

Span Pieces::inBlock(const Piece &piece, Value block) {
  Value first = i.sub(i.mul(block, train::kFactorBlock), piece.shift);
  return common(piece.elements,
                {first, i.add(first, e.index(train::kFactorBlock))});
}

void Pieces::forGaps(Value block, int64_t size,
                     llvm::function_ref<void(Span)> body) {
  Value first = i.mul(block, train::kFactorBlock);
  Span whole = {first, i.add(first, e.index(train::kFactorBlock))};
  Value begin = e.index(0);
  for (const Piece &piece : all) { // one that is elsewhere may lie before them
    auto inShard = [&](Value element) {
      return e.within(i.add(element, piece.shift), 0, size);
    };
    body(common({begin, inShard(piece.elements.begin)}, whole));
    begin = i.max(begin, inShard(piece.elements.end));
  }
  body(common({begin, e.index(size)}, whole));
}

Span Pieces::common(Span a, Span b) {
  Value begin = i.min(i.max(a.begin, b.begin), a.end);
  return {begin, i.max(begin, i.min(a.end, b.end))};
}

Span Pieces::groupsOf(Span elements, int64_t size) {
  Value first = i.div(elements.begin, size);
  Value isEmpty = e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::eq,
                                            elements.begin, elements.end);
  return {first, e.b.create<arith::SelectOp>(e.loc, isEmpty, first,
                                             i.ceilDiv(elements.end, size))};
}

Span Pieces::rowsOf(const Piece &piece, Span elements, Value number) {
  Span rows = groupsOf(elements, piece.width());
  if (!number)
    return rows;
  Value first = i.mul(number, piece.rows());
  return common(rows, {first, i.add(first, e.index(piece.rows()))});
}

Value Pieces::slice(const Piece &piece, Value values, Span elements) {
  return e.slice(values, i.add(elements.begin, piece.shift),
                 i.sub(elements.end, elements.begin));
}

Value Pieces::squares(ArrayRef<Value> rows, Emitter::Body element) {
  Type f64 = e.b.getF64Type();
  return e.sum(rows, f64,
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 Value x = Emitter::convert(b, loc, element(b, loc, args), f64);
                 return b.create<arith::MulFOp>(loc, x, x);
               });
}

Value Gradient::operator()(OpBuilder &b, Location loc, Value g) const {
  Value own = Emitter::convert(b, loc, g, type);
  return clip ? b.create<arith::MulFOp>(loc, own, clip).getResult() : own;
}

int64_t fsdp::sizeOf(Value memref) {
  return cast<MemRefType>(memref.getType()).getNumElements();
}
