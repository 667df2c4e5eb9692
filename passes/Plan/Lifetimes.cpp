//===- Lifetimes.cpp - When buffers are used ------------------------------===//
#include "passes/Plan/Lifetimes.h"

using namespace mlir;
using namespace fsdp;

void fsdp::forEachArgument(
    rt::PhaseOp phase,
    llvm::function_ref<void(int64_t, Operation *, rt::ArgAttr)> visit) {
  int64_t place = 0;
  for (Operation &op : phase.getBody().front()) {
    if (auto args = op.getAttrOfType<ArrayAttr>("args"))
      for (auto arg : args.getAsRange<rt::ArgAttr>())
        visit(place, &op, arg);
    ++place;
  }
}

FailureOr<DenseMap<int64_t, Lifetime>> fsdp::computeLifetimes(ModuleOp module) {
  DenseMap<int64_t, rt::BufferOp> buffers;
  for (auto buffer : module.getOps<rt::BufferOp>())
    buffers[buffer.getId()] = buffer;
  DenseMap<int64_t, Lifetime> lives;
  LogicalResult result = success();
  auto visit = [&](int64_t place, Operation *op, rt::ArgAttr arg) {
    rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
    if (!buffer || arg.getBegin() < 0 ||
        arg.getBegin() + arg.getBytes() > int64_t(buffer.getBytes())) {
      result = op->emitOpError("argument ")
               << arg << " is not a range of a declared buffer (fsdprt_v1)";
      return;
    }
    if (buffer.getPhase().empty())
      return;
    auto [it, isNew] =
        lives.try_emplace(arg.getBuffer(), Lifetime{place, place});
    it->second.last = place;
    bool reads = arg.getAccess() == rt::Access::Read ||
                 arg.getAccess() == rt::Access::ReadWrite;
    if (isNew && reads)
      result = op->emitOpError("reads buffer ")
               << arg.getBuffer() << " before anything wrote it (fsdprt_v1)";
  };
  for (auto phase : module.getOps<rt::PhaseOp>())
    forEachArgument(phase, visit);
  if (failed(result))
    return failure();
  return lives;
}
