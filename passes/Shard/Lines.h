//===- Lines.h - Units and lines of a module --------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SHARD_LINES_H
#define FSDP_PASSES_SHARD_LINES_H

#include "dialects/Fsdp/Fsdp.h"
#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// Line number `index` of `unit`.
struct LineRef {
  sharding::UnitOp unit;
  int64_t index;

  sharding::LineAttr get() const {
    return llvm::cast<sharding::LineAttr>(
        sharding::UnitOp(unit).getLines()[index]);
  }
  llvm::StringRef unitName() const {
    return sharding::UnitOp(unit).getSymName();
  }
};

/// All lines of `module`, units in order.
llvm::SmallVector<LineRef> getLines(mlir::ModuleOp module);

/// Line `index` of unit `unit`; fails with an error on `op`.
mlir::FailureOr<LineRef> lookupLine(mlir::Operation *op, llvm::StringRef unit,
                                    int64_t index);

/// The sharded types of all parameters of `layout`, in its order.
llvm::SmallVector<mlir::Type> getShardedTypes(sharding::LayoutAttr layout);

/// Whether `start` reduces what microbatches have summed up of its line.
bool takesSums(sharding::ReduceScatterStartOp start);

/// What takes the gradients of a line as backward computes them: its
/// reduce-scatter, or their sum over the microbatches.
struct GradientLineRef {
  mlir::Operation *op;
  llvm::StringRef unit;
  int64_t line;
  mlir::ValueRange grads;
};

/// All of `block`, in order.
llvm::SmallVector<GradientLineRef> getGradientLines(mlir::Block &block);

/// Builds shards, all-gather start and wait of `line`, laid out as `layout`, at
/// `builder`'s insertion point; the full parameters, in the line's order.
mlir::ValueRange buildGather(mlir::OpBuilder &builder, mlir::Location loc,
                             const LineRef &line, sharding::LayoutAttr layout);
} // namespace fsdp

#endif // FSDP_PASSES_SHARD_LINES_H
