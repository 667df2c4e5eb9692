//===- CopiesVerify.cpp - Nothing is merely moved -------------------------===//
//
// Gathers write where kernels read, kernels write gradients where reductions
// read. A copy in between, or a kernel that only rearranges or casts, would be
// bytes written for nothing.
//
//===----------------------------------------------------------------------===//
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Plan/Kernels.h"
#include "passes/Verify/Passes.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TypeUtilities.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPRTVERIFYCOPIES
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
bool isFloating(Type type) {
  return isa<FloatType>(getElementTypeOrSelf(type));
}

/// What carries a number from one place to another, perhaps in another type.
bool onlyMoves(Operation &op) {
  return isa<onnx::CastOp, onnx::ConcatOp, onnx::ConstantOp, onnx::ExpandOp,
             onnx::GatherOp, onnx::PadOp, onnx::ReshapeOp, onnx::SliceOp,
             onnx::SplitOp, onnx::TransposeOp, onnx::WhereOp, train::YieldOp>(
      op);
}

/// Whether `op` computes with numbers, not only with their places.
bool computes(Operation &op) {
  return !onlyMoves(op) && (llvm::any_of(op.getOperandTypes(), isFloating) ||
                            llvm::any_of(op.getResultTypes(), isFloating));
}

struct CopiesVerify : public fsdp::impl::FsdpRtVerifyCopiesBase<CopiesVerify> {
  void runOnOperation() override {
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      kinds[buffer.getId()] = buffer.getKind();
    for (auto kernel : getOperation().getOps<ModuleOp>())
      classify(kernel);
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      if (phase.getRuns() != rt::Runs::Once &&
          phase.getRuns() != rt::Runs::Save && failed(verify(phase)))
        return signalPassFailure();
  }

  void classify(ModuleOp own) {
    train::KernelOp kernel = kernelIn(own);
    if (!kernel || llvm::any_of(kernel.getBody().front(), computes))
      return;
    movers[own.getSymNameAttr()] =
        llvm::any_of(kernel.getBody().front(), [](Operation &op) {
          return isa<onnx::CastOp>(op) &&
                 isFloating(op.getOperand(0).getType());
        });
  }

  LogicalResult verify(rt::PhaseOp phase) {
    for (Operation &op : phase.getBody().front()) {
      if (auto copy = dyn_cast<rt::CopyOp>(op)) {
        for (auto arg : copy.getArgs().getAsRange<rt::ArgAttr>())
          if (holdsParameters(arg))
            return copy.emitOpError("'")
                   << copy.getName() << "' copies " << arg.getBytes()
                   << " bytes of " << describe(arg) << " (copies_v1)";
      } else if (auto launch = dyn_cast<rt::LaunchOp>(op)) {
        auto mover = movers.find(launch.getKernelAttr().getAttr());
        if (mover != movers.end() && failed(verify(launch, mover->second)))
          return failure();
      }
    }
    return success();
  }

  /// What computes nothing must change the number of elements: the rows that a
  /// model takes of a table, and their gradients' places in it, are its own
  /// business. An order or a type is not.
  LogicalResult verify(rt::LaunchOp launch, bool casts) {
    rt::ArgAttr written;
    int64_t readBytes = 0, writtenBytes = 0;
    bool onlyParameters = true;
    for (auto arg : launch.getArgs().getAsRange<rt::ArgAttr>()) {
      if (arg.getAccess() == rt::Access::Read) {
        readBytes += arg.getBytes();
        onlyParameters &= holdsParameters(arg);
      } else if (arg.getAccess() != rt::Access::Scratch) {
        writtenBytes += arg.getBytes();
        if (!written || holdsParameters(arg))
          written = arg;
      }
    }
    bool keepsElements =
        readBytes == writtenBytes || (casts && (readBytes == 2 * writtenBytes ||
                                                2 * readBytes == writtenBytes));
    if (!written || readBytes == 0 || !keepsElements ||
        !(onlyParameters || holdsParameters(written)))
      return success();
    return launch.emitOpError("'")
           << launch.getName() << "' only moves or casts parameters or "
           << "gradients: it writes " << written.getBytes() << " bytes of "
           << describe(written) << " (copies_v2)";
  }

  bool holdsParameters(rt::ArgAttr arg) {
    auto kind = kinds.find(arg.getBuffer());
    return kind != kinds.end() &&
           llvm::is_contained({rt::BufferKind::Shard, rt::BufferKind::Gathered,
                               rt::BufferKind::Gradient,
                               rt::BufferKind::Reduced},
                              kind->second);
  }

  std::string describe(rt::ArgAttr arg) {
    return ("buffer " + Twine(arg.getBuffer()) + ", of kind " +
            rt::stringifyBufferKind(kinds.lookup(arg.getBuffer())))
        .str();
  }

  DenseMap<int64_t, rt::BufferKind> kinds;
  /// Kernels that compute nothing, and whether they cast.
  llvm::DenseMap<StringAttr, bool> movers;
};
} // namespace
