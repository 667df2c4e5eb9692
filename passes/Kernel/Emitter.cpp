//===- Emitter.cpp - The body of one kernel -------------------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/MathExtras.h"

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

Type Emitter::computeType(Type element) {
  bool isHalf = element.isBF16() || element.isF16();
  return isHalf ? b.getF32Type() : element;
}

Value Emitter::convert(OpBuilder &builder, Location loc, Value value,
                       Type type) {
  if (value.getType() == type)
    return value;
  if (value.getType().getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return builder.create<arith::ExtFOp>(loc, type, value);
  return builder.create<arith::TruncFOp>(loc, type, value);
}

Value Emitter::widen(OpBuilder &builder, Location loc, Value value) {
  Type type = value.getType();
  return type.isBF16() || type.isF16()
             ? convert(builder, loc, value, builder.getF32Type())
             : value;
}

/// `value` as an element of `memref`, when that is a half-precision float.
static Value toElement(OpBuilder &builder, Location loc, Value value,
                       Value memref) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  return element.isBF16() || element.isF16()
             ? Emitter::convert(builder, loc, value, element)
             : value;
}

/// `body` on widened elements.
static Value onWidened(OpBuilder &builder, Location loc, ValueRange args,
                       Emitter::Body body) {
  SmallVector<Value> wide;
  for (Value arg : args)
    wide.push_back(Emitter::widen(builder, loc, arg));
  return body(builder, loc, wide);
}

Value Emitter::load(Value memref, ValueRange indices) {
  return widen(b, loc, b.create<memref::LoadOp>(loc, memref, indices));
}

void Emitter::store(Value value, Value memref, ValueRange indices) {
  b.create<memref::StoreOp>(loc, toElement(b, loc, value, memref), memref,
                            indices);
}

Value Emitter::stack(Type type, ArrayRef<int64_t> extents) {
  // Where the function begins: inside a loop it would grow the stack.
  OpBuilder::InsertionGuard guard(b);
  Region *function = b.getInsertionBlock()->getParent();
  while (!isa<FunctionOpInterface>(function->getParentOp()))
    function = function->getParentRegion();
  b.setInsertionPointToStart(&function->front());
  return b.create<memref::AllocaOp>(loc, MemRefType::get(extents, type),
                                    b.getI64IntegerAttr(64));
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

Value Emitter::slice(Value memref, Value low, Value count) {
  SmallVector<OpFoldResult> offset = {low}, size = {count},
                            stride = {b.getIndexAttr(1)};
  return b.create<memref::SubViewOp>(loc, memref, offset, size, stride);
}

Value Emitter::strided(Value memref, Value offset, OpFoldResult count,
                       int64_t stride) {
  auto type = cast<MemRefType>(memref.getType());
  auto layout =
      StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, {stride});
  auto extent = getConstantIntValue(count);
  auto result = MemRefType::get({extent ? *extent : ShapedType::kDynamic},
                                type.getElementType(), layout);
  SmallVector<OpFoldResult> sizes = {count}, strides = {b.getIndexAttr(stride)};
  return b.create<memref::ReinterpretCastOp>(loc, result, memref, offset, sizes,
                                             strides);
}

SmallVector<Value> Emitter::delinearize(Value linear,
                                        ArrayRef<int64_t> extents) {
  SmallVector<Value> indices(extents.size());
  for (size_t d = extents.size(); d-- > 0;) {
    if (d == 0) {
      indices[0] = linear;
      break;
    }
    Value extent = index(extents[d]);
    indices[d] = b.create<arith::RemUIOp>(loc, linear, extent);
    linear = b.create<arith::DivUIOp>(loc, linear, extent);
  }
  return indices;
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

static scf::ForOp emitLoop(Emitter &e, Value from, Value to,
                           llvm::function_ref<void(Value)> body) {
  auto forOp = e.b.create<scf::ForOp>(e.loc, from, to, e.index(1));
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(forOp.getBody());
  body(forOp.getInductionVar());
  return forOp;
}

void Emitter::loop(Value from, Value to, llvm::function_ref<void(Value)> body) {
  emitLoop(*this, from, to, body);
}

void Emitter::parallelLoop(Value from, Value to,
                           llvm::function_ref<void(Value)> body) {
  emitLoop(*this, from, to, body)->setAttr(kParallelLoop, b.getUnitAttr());
}

void Emitter::groups(int64_t count,
                     llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = count / kRowGroup;
  if (whole)
    loop(index(0), index(whole), [&](Value group) {
      body(b.create<arith::MulIOp>(loc, group, index(kRowGroup)), kRowGroup);
    });
  if (int64_t rest = count % kRowGroup)
    body(index(whole * kRowGroup), rest);
}

void Emitter::groups(Value from, Value to, int64_t size,
                     llvm::function_ref<void(Value, int64_t)> body) {
  Value count = b.create<arith::SubIOp>(loc, to, from);
  Value whole = b.create<arith::DivUIOp>(loc, count, index(size));
  loop(index(0), whole, [&](Value group) {
    Value place = b.create<arith::MulIOp>(loc, group, index(size));
    body(b.create<arith::AddIOp>(loc, from, place), size);
  });
  Value rest = b.create<arith::MulIOp>(loc, whole, index(size));
  loop(b.create<arith::AddIOp>(loc, from, rest), to,
       [&](Value row) { body(row, 1); });
}

/// Where a loop over i reads `operands`: at i, or a scalar.
static SmallVector<AffineMap> rowMaps(OpBuilder &b, ArrayRef<Value> operands) {
  SmallVector<AffineMap> maps;
  for (Value operand : operands) {
    bool isScalar = cast<MemRefType>(operand.getType()).getRank() == 0;
    maps.push_back(isScalar ? AffineMap::get(1, 0, b.getContext())
                            : b.getMultiDimIdentityMap(1));
  }
  return maps;
}

void Emitter::map(ArrayRef<Value> rowIns, Value rowOut, Body body) {
  SmallVector<AffineMap> maps = rowMaps(b, rowIns);
  maps.push_back(b.getMultiDimIdentityMap(1));
  b.create<linalg::GenericOp>(
      loc, rowIns, rowOut, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        Value result = onWidened(nested, l, args.drop_back(), body);
        nested.create<linalg::YieldOp>(l, toElement(nested, l, result, rowOut));
      });
}

void Emitter::mapAll(ArrayRef<Value> rowIns, ArrayRef<Value> rowOuts,
                     Terms body) {
  SmallVector<AffineMap> maps = rowMaps(b, rowIns);
  maps.append(rowOuts.size(), b.getMultiDimIdentityMap(1));
  b.create<linalg::GenericOp>(
      loc, rowIns, rowOuts, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::parallel},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        SmallVector<Value> wide;
        for (Value arg : args)
          wide.push_back(widen(nested, l, arg));
        SmallVector<Value> results = body(nested, l, wide);
        for (auto [result, out] : llvm::zip_equal(results, rowOuts))
          result = toElement(nested, l, result, out);
        nested.create<linalg::YieldOp>(l, results);
      });
}

void Emitter::prefetch(Value row, int64_t part, int64_t parts) {
  auto type = cast<MemRefType>(row.getType());
  int64_t width = type.getDimSize(0);
  int64_t line = 64 * 8 / type.getElementTypeBitWidth();
  int64_t lines = llvm::divideCeil(width, line);
  int64_t from = lines * part / parts * line;
  int64_t to = std::min(lines * (part + 1) / parts * line, width);
  auto forOp = b.create<scf::ForOp>(loc, index(from), index(to), index(line));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forOp.getBody());
  b.create<memref::PrefetchOp>(loc, row, forOp.getInductionVar(),
                               /*isWrite=*/false, /*localityHint=*/3,
                               /*isDataCache=*/true);
}

Value Emitter::reduce(ArrayRef<Value> rowIns, Value init, Body body) {
  Value cell = stack(init.getType()); // which LLVM keeps in a register
  store(init, cell);
  SmallVector<AffineMap> maps = rowMaps(b, rowIns);
  maps.push_back(AffineMap::get(1, 0, b.getContext()));
  b.create<linalg::GenericOp>(
      loc, rowIns, cell, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::reduction},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        SmallVector<Value> scalars = {args.back()};
        llvm::append_range(scalars, args.drop_back());
        nested.create<linalg::YieldOp>(l, onWidened(nested, l, scalars, body));
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

SmallVector<Value> Emitter::sums(ArrayRef<Value> rowIns, Type type,
                                 size_t count, Terms body) {
  SmallVector<AffineMap> maps = rowMaps(b, rowIns);
  maps.append(count, AffineMap::get(1, 0, b.getContext()));
  SmallVector<Value> cells, results;
  for (size_t k = 0; k < count; ++k) {
    cells.push_back(stack(type));
    store(number(type, 0), cells.back());
  }
  b.create<linalg::GenericOp>(
      loc, rowIns, cells, maps,
      ArrayRef<utils::IteratorType>{utils::IteratorType::reduction},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        SmallVector<Value> wide, next;
        for (Value arg : args.drop_back(count))
          wide.push_back(widen(nested, l, arg));
        SmallVector<Value> terms = body(nested, l, wide);
        for (auto [sum, term] : llvm::zip_equal(args.take_back(count), terms))
          next.push_back(accumulate(nested, sum, term));
        nested.create<linalg::YieldOp>(l, next);
      });
  for (Value cell : cells)
    results.push_back(load(cell));
  return results;
}

void Emitter::fill(Value memref, Value value) {
  b.create<linalg::FillOp>(loc, toElement(b, loc, value, memref), memref);
}

Emitter::Columns Emitter::columnBlock(Value block, int64_t width) {
  Value low = b.create<arith::MulIOp>(loc, block, index(kColumnBlock));
  Value left = b.create<arith::SubIOp>(loc, index(width), low);
  return {low, b.create<arith::MinSIOp>(loc, left, index(kColumnBlock))};
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

Value Emitter::within(Value place, int64_t offset, int64_t count) {
  Value own = b.create<arith::SubIOp>(loc, place, index(offset));
  Value low = b.create<arith::MaxSIOp>(loc, own, index(0));
  return b.create<arith::MinSIOp>(loc, low, index(count));
}
