//===- Tiles.cpp - Products of tiles inside kernels -----------------------===//
#include "passes/Kernel/Tiles.h"
#include "runtime/abi/fsdprt.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace fsdp;

Value fsdp::addIndex(Emitter &e, Value a, Value c) {
  return e.b.create<arith::AddIOp>(e.loc, a, c);
}

Value fsdp::scaleIndex(Emitter &e, Value a, int64_t factor) {
  return e.b.create<arith::MulIOp>(e.loc, a, e.index(factor));
}

Value fsdp::line(Emitter &e, const Tile &tile, Value i, Value count) {
  Value step = tile.transposed ? i : scaleIndex(e, i, tile.stride);
  return e.strided(tile.memref, addIndex(e, tile.offset, step), count,
                   tile.transposed ? tile.stride : 1);
}

void fsdp::copyTile(Emitter &e, const Tile &from, const Tile &to, Value rows,
                    Value columns) {
  auto stored = [&](const Tile &tile, Value i) {
    return line(e, {tile.memref, tile.offset, tile.stride}, i, columns);
  };
  e.loop(e.index(0), rows, [&](Value i) {
    e.map({stored(from, i)}, stored(to, i),
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  });
}

namespace {
Value toI64(Emitter &e, Value index) {
  return e.b.create<arith::IndexCastOp>(e.loc, e.b.getI64Type(), index);
}

Value addressOf(Emitter &e, const Tile &tile) {
  int64_t bytes = tile.element().getIntOrFloatBitWidth() / 8;
  Value at = scaleIndex(e, tile.offset, bytes), base = tile.memref;
  // The pointer of a memref.view would be folded to that of its source.
  if (auto view = base.getDefiningOp<memref::ViewOp>()) {
    base = view.getSource();
    at = addIndex(e, at, view.getByteShift());
  }
  at = addIndex(
      e, e.b.create<memref::ExtractAlignedPointerAsIndexOp>(e.loc, base), at);
  return e.b.create<LLVM::IntToPtrOp>(
      e.loc, LLVM::LLVMPointerType::get(e.b.getContext()), toI64(e, at));
}

/// The declaration in the kernel's module of the function for such operands.
LLVM::LLVMFuncOp tileGemm(Emitter &e, Type operand) {
  StringRef name =
      operand.isBF16() ? "fsdprt_tile_gemm_bf16" : "fsdprt_tile_gemm";
  auto module =
      e.b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(module.getBody());
  Type i64 = e.b.getI64Type(), f32 = e.b.getF32Type();
  Type pointer = LLVM::LLVMPointerType::get(e.b.getContext());
  Type types[] = {e.b.getI32Type(), i64, i64,     i64, f32, pointer, i64,
                  pointer,          i64, pointer, i64};
  return e.b.create<LLVM::LLVMFuncOp>(
      e.loc, name, LLVM::LLVMFunctionType::get(e.b.getI32Type(), types));
}

void callLibrary(Emitter &e, const Extents &x, double alpha, const Tile &a,
                 const Tile &b, const Tile &c, bool add) {
  int flags = (a.transposed ? FSDPRT_TILE_TRANS_A : 0) |
              (b.transposed ? FSDPRT_TILE_TRANS_B : 0) |
              (add ? FSDPRT_TILE_ADD : 0);
  Type i32 = e.b.getI32Type(), i64 = e.b.getI64Type();
  Value operands[] = {e.number(i32, flags),
                      toI64(e, x.m),
                      toI64(e, x.n),
                      toI64(e, x.k),
                      e.number(e.b.getF32Type(), alpha),
                      addressOf(e, a),
                      e.number(i64, a.stride),
                      addressOf(e, b),
                      e.number(i64, b.stride),
                      addressOf(e, c),
                      e.number(i64, c.stride)};
  Value status =
      e.b.create<LLVM::CallOp>(e.loc, tileGemm(e, a.element()), operands)
          .getResult();
  Value failed = e.b.create<arith::CmpIOp>(e.loc, arith::CmpIPredicate::ne,
                                           status, e.number(i32, 0));
  auto ifOp = e.b.create<scf::IfOp>(e.loc, failed, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(ifOp.thenBlock());
  e.store(status, e.status);
}

void emitLoops(Emitter &e, const Extents &x, double alpha, const Tile &a,
               const Tile &b, const Tile &c, bool add) {
  Type type = c.element();
  e.parallelLoop(e.index(0), x.m, [&](Value i) {
    Value out = line(e, c, i, x.n), row = line(e, a, i, x.k);
    e.parallelLoop(e.index(0), x.n, [&](Value j) {
      Value column = line(e, b.t(), j, x.k);
      Value sum =
          e.sum({row, column}, type,
                [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                  return b.create<arith::MulFOp>(loc, args[0], args[1]);
                });
      Value result = e.mul(e.number(type, alpha), sum);
      e.store(add ? e.add(e.load(out, j), result) : result, out, j);
    });
  });
}
} // namespace

void fsdp::product(Emitter &e, const Extents &x, double alpha, const Tile &a,
                   const Tile &b, const Tile &c, bool add) {
  bool isCall = c.element().isF32() && e.callsLibrary;
  (isCall ? callLibrary : emitLoops)(e, x, alpha, a, b, c, add);
}
