//===- ProgramVerify.cpp - What the runtime needs of a program ------------===//
#include "dialects/Fsdp/Fsdp.h"
#include "passes/Plan/Buffers.h"
#include "passes/Verify/Passes.h"

#include "llvm/ADT/StringSet.h"

namespace fsdp {
#define GEN_PASS_DEF_PROGRAMVERIFY
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct ProgramVerify : public fsdp::impl::ProgramVerifyBase<ProgramVerify> {
  void runOnOperation() override {
    if (failed(verifyPhases()) || failed(verifyRoles()) ||
        failed(verifyKernels()) || failed(verifyLines()))
      signalPassFailure();
  }

  LogicalResult verifyPhases() {
    llvm::StringSet<> seen;
    for (auto phase : getOperation().getOps<rt::PhaseOp>()) {
      StringRef runs = phase.getRuns();
      if (runs != "once" && runs != "step" && runs != "save")
        return phase.emitOpError("runs '")
               << runs << "', expected once, step or save (program_v1)";
      seen.insert(runs);
    }
    if (!seen.contains("once") || !seen.contains("step"))
      return getOperation().emitError(
          "is no planned program: it has no phases that run once and each step "
          "(program_v1); fsdp-compile --emit-ir writes one");
    return success();
  }

  LogicalResult verifyRoles() {
    const StringRef known[] = {"tokens", "labels", "lr",        "step",
                               "rank",   "loss",   "grad_norm", "valid_tokens"};
    bool hasTokens = false;
    for (auto buffer : getOperation().getOps<rt::BufferOp>()) {
      auto role = buffer->getAttrOfType<StringAttr>(kBufferRole);
      if (!role)
        continue;
      auto typeAttr = buffer->getAttrOfType<TypeAttr>(kBufferType);
      auto type = typeAttr ? dyn_cast<RankedTensorType>(typeAttr.getValue())
                           : RankedTensorType();
      if (!llvm::is_contained(known, role.getValue()) || !type)
        return buffer.emitOpError("has role '")
               << role.getValue() << "' and " << (type ? "a" : "no")
               << " tensor type, expected a role that the runtime fills or "
                  "reads (tokens, labels, lr, step, rank, loss, grad_norm, "
                  "valid_tokens) and a type (program_v2)";
      hasTokens |= role == "tokens" && type.getRank() == 2;
    }
    if (!hasTokens)
      return getOperation().emitError(
          "no buffer has the role of tokens [batch, seq] (program_v2)");
    return success();
  }

  LogicalResult verifyKernels() {
    WalkResult result = getOperation().walk([&](rt::LaunchOp launch) {
      if (getOperation().lookupSymbol<ModuleOp>(launch.getKernel()))
        return WalkResult::advance();
      launch.emitOpError("launches kernel @")
          << launch.getKernel() << ", which the program does not have "
          << "(program_v3)";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  /// The runtime finds a line's shard by what loads it.
  LogicalResult verifyLines() {
    llvm::StringMap<int64_t> loads;
    getOperation().walk([&](rt::LoadOp load) { ++loads[load.getUnit()]; });
    bool any = false;
    for (auto unit : getOperation().getOps<sharding::UnitOp>()) {
      int64_t loaded = loads.lookup(unit.getSymName());
      int64_t lines = unit.getLines().size();
      any |= lines > 0;
      if (loaded != lines)
        return unit.emitOpError("has ") << lines << " lines, of which "
                                        << loaded << " are loaded (program_v4)";
    }
    if (!any)
      return getOperation().emitError("no unit has parameters (program_v4)");
    return success();
  }
};
} // namespace
