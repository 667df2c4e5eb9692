//===- Lifetimes.cpp - When buffers are used ------------------------------===//
#include "passes/Plan/Lifetimes.h"
#include "passes/Plan/StreamClocks.h"

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

/// For each dispatch of a phase, the place up to which it may be running.
static SmallVector<int64_t> findEnds(rt::PhaseOp phase) {
  struct Running {
    int64_t place;
    size_t stream;
    int64_t number; ///< in its stream
  };
  StreamClocks clocks;
  SmallVector<int64_t> ends;
  SmallVector<Running> running;
  for (Operation &op : phase.getBody().front()) {
    int64_t place = ends.size();
    const Clock &clock = clocks.issue(op);
    size_t stream = streamOf(op);
    ends.push_back(place);
    if (stream != size_t(rt::Stream::Compute)) {
      running.push_back({place, stream, clock[stream]});
      continue;
    }
    llvm::erase_if(running, [&](const Running &other) {
      bool isOver = clock[other.stream] >= other.number;
      if (isOver)
        ends[other.place] = place - 1;
      return isOver;
    });
  }
  for (const Running &other : running)
    ends[other.place] = ends.size() - 1;
  return ends;
}

FailureOr<DenseMap<int64_t, Lifetime>> fsdp::computeLifetimes(ModuleOp module) {
  DenseMap<int64_t, rt::BufferOp> buffers;
  for (auto buffer : module.getOps<rt::BufferOp>())
    if (!buffers.try_emplace(buffer.getId(), buffer).second)
      return buffer.emitOpError("has the number of another buffer (fsdprt_v1)");
  DenseMap<int64_t, Lifetime> lives;
  LogicalResult result = success();
  SmallVector<int64_t> ends;
  auto visit = [&](int64_t place, Operation *op, rt::ArgAttr arg) {
    if (failed(result))
      return;
    rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
    if (!buffer ||
        arg.getBegin() + arg.getBytes() > int64_t(buffer.getBytes())) {
      result = op->emitOpError("argument ")
               << arg << " is not a range of a declared buffer (fsdprt_v1)";
      return;
    }
    if (buffer.getPhase().empty())
      return;
    if (StringRef own = cast<rt::PhaseOp>(op->getParentOp()).getSymName();
        buffer.getPhase() != own) {
      result = op->emitOpError("uses buffer ")
               << arg.getBuffer() << " of phase '" << buffer.getPhase()
               << "' in phase '" << own << "' (fsdprt_v1)";
      return;
    }
    auto [it, isNew] =
        lives.try_emplace(arg.getBuffer(), Lifetime{place, place, place});
    it->second.lastUse = place;
    it->second.last = std::max(it->second.last, ends[place]);
    bool reads = arg.getAccess() == rt::Access::Read ||
                 arg.getAccess() == rt::Access::ReadWrite;
    if (isNew && reads)
      result = op->emitOpError("reads buffer ")
               << arg.getBuffer() << " before anything wrote it (fsdprt_v1)";
  };
  for (auto phase : module.getOps<rt::PhaseOp>()) {
    ends = findEnds(phase);
    forEachArgument(phase, visit);
  }
  if (failed(result))
    return failure();
  return lives;
}
