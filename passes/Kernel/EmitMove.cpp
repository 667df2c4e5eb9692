//===- EmitMove.cpp - Transposes, slices, joins ---------------------------===//
#include "passes/Kernel/Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp;

namespace {
MemRefType typeOf(Value memref) { return cast<MemRefType>(memref.getType()); }

/// Which elements of a tensor a copy touches: start + i * step a dimension.
struct Region {
  Value memref;
  SmallVector<int64_t> start, step;

  static Region whole(Value memref) {
    size_t rank = typeOf(memref).getRank();
    return {memref, SmallVector<int64_t>(rank, 0),
            SmallVector<int64_t>(rank, 1)};
  }
};

Value elementIndex(Emitter &e, Value i, int64_t start, int64_t step) {
  if (step != 1)
    i = e.b.create<arith::MulIOp>(e.loc, i, e.index(step));
  return start ? e.b.create<arith::AddIOp>(e.loc, i, e.index(start)) : i;
}

/// Loops over [low, high) of every dimension; the first is the kernel's range
/// when `ranged`.
void nest(Emitter &e, ArrayRef<int64_t> low, ArrayRef<int64_t> high,
          bool ranged, llvm::function_ref<void(ValueRange)> body) {
  SmallVector<Value> indices;
  std::function<void()> enter = [&] {
    size_t dim = indices.size();
    if (dim == low.size())
      return body(indices);
    bool own = ranged && dim == 0;
    Value from = own ? e.begin : e.index(low[dim]);
    Value to = own ? e.end : e.index(high[dim]);
    e.parallelLoop(from, to, [&](Value i) {
      indices.push_back(i);
      enter();
      indices.pop_back();
    });
  };
  enter();
}

/// Where `region` has element `indices`.
SmallVector<Value> placeIn(Emitter &e, const Region &region,
                           ValueRange indices) {
  SmallVector<Value> place;
  for (auto [i, start, step] : llvm::zip(indices, region.start, region.step))
    place.push_back(elementIndex(e, i, start, step));
  return place;
}

/// to[i] = from[i] for i in `low` (per dimension) up to `high`; the first
/// dimension is cut to the kernel's range when `ranged`.
void copyRegion(Emitter &e, const Region &from, const Region &to,
                ArrayRef<int64_t> low, ArrayRef<int64_t> high, bool ranged) {
  nest(e, low, high, ranged, [&](ValueRange i) {
    e.store(e.load(from.memref, placeIn(e, from, i)), to.memref,
            placeIn(e, to, i));
  });
}

void copyWhole(Emitter &e, const Region &from, const Region &to,
               ArrayRef<int64_t> extents, bool ranged) {
  copyRegion(e, from, to, SmallVector<int64_t>(extents.size(), 0), extents,
             ranged);
}

/// The first `extents` elements of `to`, all of a splat's value.
void fillRegion(Emitter &e, onnx::ConstantOp splat, const Region &to,
                ArrayRef<int64_t> extents, bool ranged) {
  auto value = cast<TypedAttr>(
      cast<DenseElementsAttr>(splat.getValue()).getSplatValue<Attribute>());
  Value scalar = e.b.create<arith::ConstantOp>(e.loc, value);
  nest(e, SmallVector<int64_t>(extents.size(), 0), extents, ranged,
       [&](ValueRange i) { e.store(scalar, to.memref, placeIn(e, to, i)); });
}

LogicalResult emit(Emitter &e, onnx::TransposeOp op) {
  auto type = typeOf(e.outs[0]);
  if (type.getRank() == 0)
    return op.emitOpError("of a scalar has no kernel");
  // y(d) = x(s) with s[perm[i]] = d[i].
  SmallVector<int64_t> zero(type.getRank(), 0);
  e.extent = type.getDimSize(0);
  nest(e, zero, type.getShape(), /*ranged=*/true, [&](ValueRange indices) {
    SmallVector<Value> source(indices.size());
    for (auto [i, p] : llvm::enumerate(op.getPerm()))
      source[p] = indices[i];
    e.store(e.load(e.ins[0], source), e.outs[0], indices);
  });
  return success();
}

LogicalResult emit(Emitter &e, onnx::SliceOp op) {
  Region from{e.ins[0], SmallVector<int64_t>(op.getStarts()),
              SmallVector<int64_t>(op.getSteps())};
  ArrayRef<int64_t> extents = typeOf(e.outs[0]).getShape();
  e.extent = extents.empty() ? 1 : extents[0];
  copyWhole(e, from, Region::whole(e.outs[0]), extents, !extents.empty());
  return success();
}

LogicalResult emit(Emitter &e, onnx::PadOp op) {
  ArrayRef<int64_t> x = typeOf(e.ins[0]).getShape();
  ArrayRef<int64_t> y = typeOf(e.outs[0]).getShape();
  e.fill(e.outs[0], e.number(typeOf(e.outs[0]).getElementType(),
                             op.getValue().convertToDouble()));
  Region to{e.outs[0], SmallVector<int64_t>(op.getLow()),
            SmallVector<int64_t>(op.getSteps())};
  SmallVector<int64_t> low, high; // the part of x that lands inside y
  for (size_t d = 0; d < x.size(); ++d) {
    auto inside = [&](int64_t i) {
      int64_t place = op.getLow()[d] + i * op.getSteps()[d];
      return place >= 0 && place < y[d];
    };
    int64_t first = 0, last = x[d];
    while (first < last && !inside(first))
      ++first;
    while (last > first && !inside(last - 1))
      --last;
    low.push_back(first);
    high.push_back(last);
  }
  copyRegion(e, Region::whole(e.ins[0]), to, low, high, /*ranged=*/false);
  return success();
}

LogicalResult emit(Emitter &e, onnx::ConcatOp op) {
  bool ranged = op.getAxis() != 0;
  if (ranged)
    e.extent = typeOf(e.outs[0]).getDimSize(0);
  Region to = Region::whole(e.outs[0]);
  for (Value input : op.getInputs()) {
    ArrayRef<int64_t> extents = cast<ShapedType>(input.getType()).getShape();
    // One tensor may be an operand twice, and is then one argument.
    if (auto arg = dyn_cast<BlockArgument>(input))
      copyWhole(e, Region::whole(e.ins[arg.getArgNumber()]), to, extents,
                ranged);
    else
      fillRegion(e, input.getDefiningOp<onnx::ConstantOp>(), to, extents,
                 ranged);
    to.start[op.getAxis()] += extents[op.getAxis()];
  }
  return success();
}

LogicalResult emit(Emitter &e, onnx::SplitOp op) {
  bool ranged = op.getAxis() != 0;
  if (ranged)
    e.extent = typeOf(e.ins[0]).getDimSize(0);
  Region from = Region::whole(e.ins[0]);
  for (Value out : e.outs) {
    copyWhole(e, from, Region::whole(out), typeOf(out).getShape(), ranged);
    from.start[op.getAxis()] += typeOf(out).getDimSize(op.getAxis());
  }
  return success();
}

} // namespace

LogicalResult fsdp::emitMove(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::TransposeOp, onnx::SliceOp, onnx::PadOp, onnx::ConcatOp,
            onnx::SplitOp>([&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
