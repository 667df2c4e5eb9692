//===- EmitRowChain.cpp - Elementwise ops around a row kernel -------------===//
//
// Ops before a reduction are computed in its loop. Ops before the row op fill a
// row of a result of the kernel, which the row op then reads from the first
// cache; ops after it are applied to what its last loop stores.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Elementwise ops of a kernel that are computed together, in order.
struct Chain {
  SmallVector<Operation *> ops;

  bool isEmpty() const { return !last(); }

  /// The op that makes the chain's value: constants may follow it.
  Operation *last() const {
    for (Operation *op : llvm::reverse(ops))
      if (isElementwise(op))
        return op;
    return nullptr;
  }

  /// The arguments that the ops read.
  SmallVector<BlockArgument> arguments() const {
    llvm::SetVector<BlockArgument> found;
    for (Operation *op : ops)
      for (Value operand : op->getOperands())
        if (auto argument = dyn_cast<BlockArgument>(operand))
          found.insert(argument);
    return found.takeVector();
  }

  /// The value of the last op; `values` has those that come from outside.
  Value emit(Emitter &e, OpBuilder &b, Location loc, IRMapping values) const {
    for (Operation *op : ops) {
      SmallVector<Value> operands;
      for (Value operand : op->getOperands())
        operands.push_back(values.lookup(operand));
      values.map(op->getResult(0), emitElementwiseOp(e, b, loc, op, operands));
    }
    return values.lookup(last()->getResult(0));
  }
};

/// Row `i` of an operand of the chain, of [count, width] or the one row that
/// all share.
Value rowOf(Emitter &e, Value memref, int64_t count, int64_t width, Value i) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getNumElements() == width && count != 1)
    return e.view(memref, {width});
  return e.row(e.view(memref, {count, width}), i);
}

void setUpPrologue(Emitter &e, const Chain &chain, Value filled) {
  auto type = cast<MemRefType>(filled.getType());
  int64_t width = type.getShape().back();
  int64_t count = type.getNumElements() / width;
  SmallVector<Value> operands;
  for (BlockArgument argument : chain.arguments())
    operands.push_back(e.ins[argument.getArgNumber()]);
  e.prologueRows = [=, &e](Value i) {
    SmallVector<Value> rows;
    for (Value operand : operands)
      rows.push_back(rowOf(e, operand, count, width, i));
    return rows;
  };
  e.prologue = [=, &e](Value i) {
    e.map(e.prologueRows(i), e.row(e.view(filled, {count, width}), i),
          [&](OpBuilder &b, Location loc, ValueRange args) {
            IRMapping values;
            for (auto [argument, scalar] : llvm::zip(chain.arguments(), args))
              values.map(argument, scalar);
            return chain.emit(e, b, loc, values);
          });
  };
}

void setUpEpilogue(Emitter &e, const Chain &chain, Value result) {
  auto type = cast<MemRefType>(e.outs[0].getType());
  int64_t width = type.getShape().back();
  int64_t count = type.getNumElements() / width;
  SmallVector<Value> operands;
  for (BlockArgument argument : chain.arguments())
    operands.push_back(e.ins[argument.getArgNumber()]);
  e.epilogueRows = [=, &e](Value i) {
    SmallVector<Value> rows;
    for (Value operand : operands)
      rows.push_back(rowOf(e, operand, count, width, i));
    return rows;
  };
  e.epilogue = [=, &e](OpBuilder &b, Location loc, Value value,
                       ValueRange args) {
    IRMapping values;
    values.map(result, value);
    for (auto [argument, scalar] : llvm::zip(chain.arguments(), args))
      values.map(argument, scalar);
    return chain.emit(e, b, loc, values);
  };
}
} // namespace

SmallVector<Value> fsdp::setUpRowChain(Emitter &e, train::KernelOp kernel,
                                       Operation *root) {
  Chain before, after;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    bool isConstant = isa<onnx::ConstantOp>(op);
    bool isBefore = isInPrologue(&op, root);
    if (isConstant || (isElementwise(&op) && isBefore))
      before.ops.push_back(&op);
    if (isConstant || (isElementwise(&op) && !isBefore))
      after.ops.push_back(&op);
  }
  Operation *yield = kernel.getBody().front().getTerminator();
  SmallVector<Value> operands;
  for (Value operand : root->getOperands()) {
    if (auto argument = dyn_cast<BlockArgument>(operand)) {
      operands.push_back(e.ins[argument.getArgNumber()]);
      continue;
    }
    auto place = llvm::find(yield->getOperands(), operand);
    operands.push_back(e.outs[place - yield->getOperands().begin()]);
  }
  if (!before.isEmpty())
    setUpPrologue(e, before, operands.front());
  if (!after.isEmpty())
    setUpEpilogue(e, after, root->getResult(0));
  return operands;
}

void fsdp::setUpReductionChain(Emitter &e, train::KernelOp kernel,
                               Operation *root) {
  Chain chain;
  Block *body = &kernel.getBody().front();
  for (Operation &op : body->without_terminator())
    if (&op != root)
      chain.ops.push_back(&op);
  if (chain.isEmpty())
    return;
  e.chain = [=, &e](OpBuilder &b, Location loc, ValueRange args) {
    IRMapping values;
    for (auto [argument, scalar] : llvm::zip_equal(body->getArguments(), args))
      values.map(argument, scalar);
    return chain.emit(e, b, loc, values);
  };
}
