//===- Buffers.cpp - The buffers of a program -----------------------------===//
#include "passes/Plan/Buffers.h"

using namespace mlir;
using namespace fsdp;

llvm::json::Object fsdp::describeBuffer(rt::BufferOp buffer, int64_t first,
                                        int64_t last) {
  return llvm::json::Object{{"id", int64_t(buffer.getId())},
                            {"name", buffer.getName()},
                            {"unit", buffer.getUnit()},
                            {"kind", rt::stringifyBufferKind(buffer.getKind())},
                            {"arena", int64_t(buffer.getArena())},
                            {"offset", int64_t(buffer.getOffset())},
                            {"bytes", int64_t(buffer.getBytes())},
                            {"phase", buffer.getPhase()},
                            {"first", first},
                            {"last", last}};
}

llvm::json::Array fsdp::describeArenas(ModuleOp module) {
  llvm::json::Array arenas;
  for (auto arena : module.getOps<rt::ArenaOp>())
    arenas.push_back(llvm::json::Object{{"name", arena.getName()},
                                        {"bytes", int64_t(arena.getBytes())}});
  return arenas;
}

int64_t fsdp::plannedPeak(ModuleOp module) {
  int64_t peak = 0;
  for (auto arena : module.getOps<rt::ArenaOp>())
    peak += arena.getBytes();
  return peak;
}

void BufferTable::emit(OpBuilder &builder, Location loc) const {
  for (auto [id, buffer] : llvm::enumerate(buffers)) {
    auto op = builder.create<rt::BufferOp>(
        loc, id, buffer.name, buffer.unit, buffer.kind, buffer.bytes,
        buffer.phase, buffer.phase.empty() ? kStateArena : kWorkArena,
        /*offset=*/-1);
    if (buffer.type)
      op->setAttr(kBufferType, TypeAttr::get(buffer.type));
    if (!buffer.role.empty())
      op->setAttr(kBufferRole, builder.getStringAttr(buffer.role));
    if (buffer.state.empty())
      continue;
    op->setAttr(kBufferState, builder.getStringAttr(buffer.state));
    op->setAttr(kBufferLine, builder.getI64IntegerAttr(buffer.line));
  }
}
