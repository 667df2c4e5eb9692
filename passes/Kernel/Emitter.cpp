//===- Emitter.cpp - The body of one kernel -------------------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace fsdp;

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value Emitter::index(int64_t value) {
  return b.create<arith::ConstantIndexOp>(loc, value);
}

Value Emitter::number(Type type, double value) {
  if (isa<FloatType>(type))
    return b.create<arith::ConstantOp>(loc, b.getFloatAttr(type, value));
  return b.create<arith::ConstantOp>(loc,
                                     b.getIntegerAttr(type, int64_t(value)));
}

Value Emitter::load(Value memref, ValueRange indices) {
  return b.create<memref::LoadOp>(loc, memref, indices);
}

void Emitter::store(Value value, Value memref, ValueRange indices) {
  b.create<memref::StoreOp>(loc, value, memref, indices);
}

Value Emitter::view(Value memref, ArrayRef<int64_t> shape) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getShape() == shape)
    return memref;
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * shape[i];
  auto result = MemRefType::get(shape, type.getElementType());
  return b.create<memref::ReinterpretCastOp>(loc, result, memref,
                                             /*offset=*/0, shape, strides);
}

Value Emitter::rows(Value memref, Value from, Value to) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> sizes, strides(type.getRank(), b.getIndexAttr(1));
  for (int64_t extent : type.getShape())
    sizes.push_back(b.getIndexAttr(extent));
  offsets[0] = from;
  sizes[0] = b.create<arith::SubIOp>(loc, to, from).getResult();
  return b.create<memref::SubViewOp>(loc, memref, offsets, sizes, strides);
}

Value Emitter::row(Value memref, Value i) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> sizes, strides(type.getRank(), b.getIndexAttr(1));
  for (int64_t extent : type.getShape())
    sizes.push_back(b.getIndexAttr(extent));
  offsets[0] = i;
  sizes[0] = b.getIndexAttr(1);
  auto reduced = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      type.getShape().drop_front(), type, offsets, sizes, strides));
  return b.create<memref::SubViewOp>(loc, reduced, memref, offsets, sizes,
                                     strides);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

void Emitter::loop(Value from, Value to, llvm::function_ref<void(Value)> body) {
  auto forOp = b.create<scf::ForOp>(loc, from, to, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forOp.getBody());
  body(forOp.getInductionVar());
}

void Emitter::map(ArrayRef<Value> rowIns, Value rowOut, Body body) {
  AffineMap identity = b.getMultiDimIdentityMap(1);
  SmallVector<AffineMap> maps(rowIns.size() + 1, identity);
  b.create<linalg::GenericOp>(
      loc, rowIns, rowOut, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        nested.create<linalg::YieldOp>(l, body(nested, l, args.drop_back()));
      });
}

Value Emitter::reduce(ArrayRef<Value> rowIns, Value init, Body body) {
  // On the stack; LLVM keeps it in registers.
  Value cell =
      b.create<memref::AllocaOp>(loc, MemRefType::get({}, init.getType()));
  store(init, cell);
  SmallVector<AffineMap> maps(rowIns.size(), b.getMultiDimIdentityMap(1));
  maps.push_back(AffineMap::get(1, 0, b.getContext()));
  b.create<linalg::GenericOp>(
      loc, rowIns, cell, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::reduction},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        SmallVector<Value> scalars = {args.back()};
        llvm::append_range(scalars, args.drop_back());
        nested.create<linalg::YieldOp>(l, body(nested, l, scalars));
      });
  return load(cell);
}

Value Emitter::sum(ArrayRef<Value> rowIns, Type type, Body body) {
  return reduce(rowIns, number(type, 0),
                [&](OpBuilder &nested, Location l, ValueRange args) {
                  return accumulate(nested, args.front(),
                                    body(nested, l, args.drop_front()));
                });
}

void Emitter::fill(Value memref, Value value) {
  b.create<linalg::FillOp>(loc, value, memref);
}

void Emitter::failIf(Value bad) {
  auto ifOp = b.create<scf::IfOp>(loc, bad, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(ifOp.thenBlock());
  store(number(b.getI32Type(), 2), status);
}

//===----------------------------------------------------------------------===//
// Short forms of arith
//===----------------------------------------------------------------------===//

Value Emitter::add(Value a, Value c) {
  return b.create<arith::AddFOp>(loc, a, c);
}
Value Emitter::sub(Value a, Value c) {
  return b.create<arith::SubFOp>(loc, a, c);
}
Value Emitter::mul(Value a, Value c) {
  return b.create<arith::MulFOp>(loc, a, c);
}
Value Emitter::div(Value a, Value c) {
  return b.create<arith::DivFOp>(loc, a, c);
}

Value Emitter::accumulate(OpBuilder &builder, Value a, Value c) {
  if (!isa<FloatType>(a.getType()))
    return builder.create<arith::AddIOp>(loc, a, c);
  return builder.create<arith::AddFOp>(loc, a, c,
                                       arith::FastMathFlags::reassoc);
}

Value Emitter::toIndex(Value value) {
  return b.create<arith::IndexCastOp>(loc, b.getIndexType(), value);
}
