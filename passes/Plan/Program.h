//===- Program.h - What the phases of a program share -----------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_PROGRAM_H
#define FSDP_PASSES_PLAN_PROGRAM_H

#include "passes/Plan/Buffers.h"
#include "passes/Plan/Communicators.h"
#include "passes/Plan/Factors.h"
#include "passes/Plan/Kernels.h"
#include "passes/Shard/Lines.h"
#include "llvm/ADT/MapVector.h"

#include <map>

namespace fsdp {
/// What persists of a line on one rank.
struct LineBuffers {
  LineRef line;
  int64_t unitIndex = 0;
  Slice shard;
  Slice source; ///< what is gathered: the shard, or its copy in a narrower type
  llvm::SmallVector<Slice> states; ///< optimizer states, each like the shard
  Slice keys;    ///< of its parameters, where states are rounded
  Slice factors; ///< factored moments of all pieces; the same on every rank
  /// Where gradients are summed up over microbatches: like the reduced ones, or
  /// like a line of whole ones.
  Slice accumulator;

  sharding::LayoutAttr layout() const { return line.get().getLayout(); }
  bool hasSource() const { return source.buffer != shard.buffer; }
  mlir::RankedTensorType shardType() const { return shardTypeOf(layout()); }
  /// Of each state, in their order.
  llvm::SmallVector<mlir::Type> stateTypes() const;
  bool isRounded() const {
    return line.get().getTrainable() && line.get().getRule(0).isRounded();
  }
  mlir::RankedTensorType keysType() const;
  mlir::RankedTensorType sourceType() const {
    return shardTypeOf(line.get().getGatherLayout());
  }

  /// A whole line laid out as `layout`, padding included.
  static mlir::RankedTensorType lineTypeOf(sharding::LayoutAttr layout) {
    return mlir::RankedTensorType::get(
        {layout.getShardElements() * layout.getNumShards()},
        layout.getElementType());
  }
  /// A rank's part of a line laid out as `layout`.
  static mlir::RankedTensorType shardTypeOf(sharding::LayoutAttr layout) {
    return mlir::RankedTensorType::get({layout.getShardElements()},
                                       layout.getElementType());
  }
};

/// What an update writes of `line`: parameters, states and, where there is one,
/// the copy that is gathered.
std::pair<llvm::SmallVector<Slice>, llvm::SmallVector<mlir::Type>>
updatedOf(const LineBuffers &line);

/// Bytes of a whole line laid out as `layout`, padding included.
int64_t lineBytes(sharding::LayoutAttr layout);

/// What all phases of a program share.
struct Program {
  Program(mlir::ModuleOp module, const Target &target)
      : module(module), target(target), kernels(module, target) {}

  mlir::ModuleOp module;
  const Target &target;
  BufferTable buffers;
  KernelTable kernels;
  llvm::MapVector<mlir::Attribute, Slice> constants;
  /// Scratch of the GEMM library by operand and result types and transposition.
  llvm::DenseMap<std::tuple<mlir::Type, mlir::Type, mlir::Type, int>,
                 std::optional<int64_t>>
      gemmScratch;
  llvm::StringMap<Slice> roles;  ///< inputs, scalars and results
  llvm::StringMap<Slice> states; ///< scalars, by their symbol
  int64_t world = 1;             ///< number of ranks
  sharding::MeshAttr mesh;       ///< that all lines are laid over
  Communicators communicators;
  unsigned numInPlace = 0;
  unsigned numCopies = 0;

  void addLine(LineBuffers line);
  /// Line `line` of `unit`, or null when nothing loads it.
  const LineBuffers *findLine(llvm::StringRef unit, int64_t line) const;
  /// The same for a line that is known to be loaded.
  const LineBuffers &getLine(llvm::StringRef unit, int64_t line) const;
  /// All of them, in the same order whenever they are made.
  std::map<std::string, LineBuffers> &getLines() { return lines; }
  /// The unit whose module holds `scope`.
  llvm::StringRef unitOfScope(llvm::StringRef scope);

private:
  std::map<std::string, LineBuffers> lines; ///< by "unit/line"
};
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_PROGRAM_H
