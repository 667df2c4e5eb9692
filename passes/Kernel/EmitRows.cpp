//===- EmitRows.cpp - Softmax and its gradient, a row at a time -----------===//
#include "passes/Kernel/MathExpansion.h"
#include "passes/Kernel/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
LogicalResult emit(Emitter &e, onnx::SoftmaxOp op) {
  Rows rows(e, e.ins[0]);
  Value x = rows.matrix(e, e.ins[0]), y = rows.matrix(e, e.outs[0]);
  e.extent = rows.count;
  e.loop(e.begin, e.end, [&](Value i) {
    Value in = e.row(x, i), out = e.row(y, i);
    Value most = e.reduce(
        {in}, e.number(rows.element, -std::numeric_limits<double>::infinity()),
        [](OpBuilder &b, Location loc, ValueRange args) -> Value {
          return b.create<arith::MaxNumFOp>(loc, args[0], args[1],
                                            kVectorizableMax);
        });
    auto power = [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
      return emitExpNonPositive(b, loc,
                                b.create<arith::SubFOp>(loc, args[0], most));
    };
    auto same = [](OpBuilder &, Location, ValueRange args) { return args[0]; };
    // A row in half precision cannot keep the powers: they are computed twice.
    if (!rows.isHalf)
      e.map({in}, out, power);
    Value total = rows.isHalf ? e.sum({in}, rows.element, power)
                              : e.sum({out}, rows.element, same);
    Value factor = e.div(e.number(rows.element, 1), total);
    e.map({rows.isHalf ? in : out}, out,
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            Value value = rows.isHalf ? power(b, loc, args) : args[0];
            return b.create<arith::MulFOp>(loc, value, factor);
          });
  });
  return success();
}

LogicalResult emit(Emitter &e, train::SoftmaxGradOp op) {
  Rows rows(e, e.outs[0]);
  Value y = rows.matrix(e, e.ins[0]), dy = rows.matrix(e, e.ins[1]);
  Value dx = rows.matrix(e, e.outs[0]);
  e.extent = rows.count;
  e.loop(e.begin, e.end, [&](Value i) {
    Value yRow = e.row(y, i), dyRow = e.row(dy, i);
    Value dot = e.sum({yRow, dyRow}, rows.element,
                      [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                        return b.create<arith::MulFOp>(loc, args[0], args[1]);
                      });
    e.map({yRow, dyRow}, e.row(dx, i),
          [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
            return b.create<arith::MulFOp>(
                loc, args[0], b.create<arith::SubFOp>(loc, args[1], dot));
          });
  });
  return success();
}
} // namespace

LogicalResult fsdp::emitRows(Emitter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<onnx::SoftmaxOp, train::SoftmaxGradOp>(
          [&](auto typed) { return emit(e, typed); })
      .Default(
          [](Operation *other) { return other->emitOpError("has no kernel"); });
}
