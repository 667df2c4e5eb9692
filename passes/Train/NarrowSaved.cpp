//===- NarrowSaved.cpp - Backward reads what forward stored ---------------===//
//
//   %y = onnx.gelu %x : f32
//   %n = onnx.cast %y : bf16         // what the next op of forward reads
//   train.backward_begin
//   ... reads %y ...
// becomes
//   ... reads onnx.cast %n : f32 ...
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Passes.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINNARROWSAVED
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
unsigned bitsOf(Value value) {
  return cast<RankedTensorType>(value.getType())
      .getElementType()
      .getIntOrFloatBitWidth();
}

bool isFloat(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

struct NarrowSaved : public fsdp::impl::TrainNarrowSavedBase<NarrowSaved> {
  using TrainNarrowSavedBase::TrainNarrowSavedBase;

  void runOnOperation() override {
    train::BackwardBeginOp backward = findBackward(getOperation());
    if (!backward)
      return signalPassFailure();
    Block &block = *backward->getBlock();
    for (auto cast : llvm::make_early_inc_range(block.getOps<onnx::CastOp>()))
      if (cast->isBeforeInBlock(backward) && isNarrowing(cast))
        readNarrow(cast, backward);
  }

  /// A parameter's cast is the gather's: its f32 value never exists. Inputs and
  /// constants are in memory anyway.
  static bool isNarrowing(onnx::CastOp cast) {
    return isFloat(cast.getX()) && isFloat(cast.getY()) &&
           bitsOf(cast.getX()) > bitsOf(cast.getY()) &&
           cast.getX().getDefiningOp() &&
           !isa<onnx::ReadOp, onnx::ConstantOp>(cast.getX().getDefiningOp());
  }

  void readNarrow(onnx::CastOp narrow, Operation *backward) {
    SmallVector<OpOperand *> uses;
    Operation *first = nullptr;
    for (OpOperand &use : narrow.getX().getUses()) {
      Operation *reader = use.getOwner();
      if (!backward->isBeforeInBlock(reader))
        continue;
      uses.push_back(&use);
      if (!first || reader->isBeforeInBlock(first))
        first = reader;
    }
    if (uses.empty())
      return;
    // Not at the begin of backward: the cast is the first reader of its module,
    // which recomputation would begin there.
    OpBuilder builder(first);
    Value widened =
        builder.create<onnx::CastOp>(narrow.getLoc(), narrow.getX().getType(),
                                     narrow.getY(), narrow.getScope());
    for (OpOperand *use : uses)
      use->set(widened);
    ++numNarrowed;
  }
};
} // namespace
