//===- Buffers.h - The buffers of a program ---------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_BUFFERS_H
#define FSDP_PASSES_PLAN_BUFFERS_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/Plan/Lifetimes.h"
#include "passes/Support/Values.h"
#include "llvm/Support/JSON.h"

namespace fsdp {
/// Numbers of the arenas: what lives over phases, what lives in one, and what
/// only steps of several microbatches need.
enum ArenaId : int64_t {
  kStateArena = 0,
  kWorkArena = 1,
  kAccumulateArena = 2
};

/// Role and dtype that the runtime needs to know of a buffer, as discardable
/// attributes of `fsdprt.buffer`.
inline constexpr llvm::StringLiteral kBufferRole = "role";
inline constexpr llvm::StringLiteral kBufferType = "type";
/// The same of a state of the optimizer: its name, and the line of its unit
/// that it is laid out like. What gathers read of a line, where that is a copy,
/// has the latter.
inline constexpr llvm::StringLiteral kBufferState = "state";
inline constexpr llvm::StringLiteral kBufferLine = "line";

/// Bytes [begin, begin + bytes) of buffer number `buffer`.
struct Slice {
  int64_t buffer = -1;
  int64_t begin = 0;
  int64_t bytes = 0;
};

struct Buffer {
  std::string name;
  std::string unit;
  rt::BufferKind kind;
  int64_t bytes;
  std::string phase;        ///< empty: lives over all phases
  std::string until;        ///< a later phase that it lives into; empty: none
  std::string role;         ///< empty: the runtime does not touch it
  mlir::Type type;          ///< with a role, and with a line
  std::string state = {};   ///< of the optimizer: as its rule calls it
  int64_t line = -1;        ///< of the unit, that has the state or the copy
  bool accumulates = false; ///< only steps of several microbatches need it
};

/// All buffers of a program; a buffer's number is its index.
class BufferTable {
public:
  /// A new buffer, whole.
  Slice create(Buffer buffer) {
    buffers.push_back(std::move(buffer));
    return {int64_t(buffers.size()) - 1, 0, buffers.back().bytes};
  }
  const Buffer &operator[](int64_t id) const { return buffers[id]; }
  Buffer &operator[](int64_t id) { return buffers[id]; }

  /// Builds one `fsdprt.buffer` each, without offsets.
  void emit(mlir::OpBuilder &builder, mlir::Location loc) const;

private:
  std::vector<Buffer> buffers;
};

/// A placed buffer as the manifest and the report have it, in use over the
/// places [first, last] of the program's issue order: dispatch `first` of its
/// phase to dispatch `last` of it, or of the one that it lives until.
llvm::json::Object describeBuffer(rt::BufferOp buffer, const PhaseOrder &order,
                                  int64_t first, int64_t last);

/// The arenas as the manifest and the report have them.
llvm::json::Array describeArenas(mlir::ModuleOp module);

/// Bytes that a rank needs where steps have one microbatch: the sum of the
/// arenas but for those that only some phases need.
int64_t plannedPeak(mlir::ModuleOp module);

/// Bytes that it needs besides where steps have several.
int64_t accumulateBytes(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_BUFFERS_H
