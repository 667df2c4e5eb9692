//===- Buffers.cpp - The buffers of a program -----------------------------===//
#include "passes/Plan/Buffers.h"

using namespace mlir;
using namespace fsdp;

llvm::json::Object fsdp::describeBuffer(rt::BufferOp buffer,
                                        const PhaseOrder &order, int64_t first,
                                        int64_t last) {
  StringRef phase = buffer.getPhase();
  llvm::json::Object object{
      {"id", int64_t(buffer.getId())},
      {"name", buffer.getName()},
      {"unit", buffer.getUnit()},
      {"kind", rt::stringifyBufferKind(buffer.getKind())},
      {"arena", int64_t(buffer.getArena())},
      {"offset", int64_t(buffer.getOffset())},
      {"bytes", int64_t(buffer.getBytes())},
      {"phase", phase},
      {"first", phase.empty() ? first : first - order.beginOf(phase)}};
  if (buffer.getUntil()) {
    object["until"] = *buffer.getUntil();
    phase = *buffer.getUntil();
  }
  object["last"] = phase.empty() ? last : last - order.beginOf(phase);
  return object;
}

llvm::json::Array fsdp::describeArenas(ModuleOp module) {
  llvm::json::Array arenas;
  for (auto arena : module.getOps<rt::ArenaOp>()) {
    llvm::json::Object object{{"name", arena.getName()},
                              {"bytes", int64_t(arena.getBytes())}};
    if (std::optional<rt::Runs> runs = arena.getRuns())
      object["runs"] = rt::stringifyRuns(*runs);
    arenas.push_back(std::move(object));
  }
  return arenas;
}

int64_t fsdp::plannedPeak(ModuleOp module) {
  int64_t peak = 0;
  for (auto arena : module.getOps<rt::ArenaOp>())
    if (!arena.getRuns())
      peak += arena.getBytes();
  return peak;
}

int64_t fsdp::accumulateBytes(ModuleOp module) {
  int64_t bytes = 0;
  for (auto arena : module.getOps<rt::ArenaOp>())
    if (arena.getRuns() == rt::Runs::Accumulate)
      bytes += arena.getBytes();
  return bytes;
}

static ArenaId arenaOf(const Buffer &buffer) {
  if (buffer.accumulates)
    return kAccumulateArena;
  return buffer.phase.empty() ? kStateArena : kWorkArena;
}

void BufferTable::emit(OpBuilder &builder, Location loc) const {
  for (auto [id, buffer] : llvm::enumerate(buffers)) {
    auto op = builder.create<rt::BufferOp>(
        loc, id, buffer.name, buffer.unit, buffer.kind, buffer.bytes,
        buffer.phase,
        buffer.until.empty() ? StringAttr()
                             : builder.getStringAttr(buffer.until),
        arenaOf(buffer), /*offset=*/-1);
    if (buffer.type)
      op->setAttr(kBufferType, TypeAttr::get(buffer.type));
    if (!buffer.role.empty())
      op->setAttr(kBufferRole, builder.getStringAttr(buffer.role));
    if (!buffer.state.empty())
      op->setAttr(kBufferState, builder.getStringAttr(buffer.state));
    if (buffer.line >= 0)
      op->setAttr(kBufferLine, builder.getI64IntegerAttr(buffer.line));
  }
}
