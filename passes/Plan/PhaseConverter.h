//===- PhaseConverter.h - One function to one phase -------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_PHASECONVERTER_H
#define FSDP_PASSES_PLAN_PHASECONVERTER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Kernels.h"
#include "passes/Plan/PhaseBuilder.h"
#include "passes/Shard/Lines.h"
#include "llvm/ADT/MapVector.h"

namespace fsdp {
/// What persists of a line on one rank.
struct LineBuffers {
  LineRef line;
  int64_t unitIndex = 0;
  Slice shard;
  llvm::SmallVector<Slice> states; ///< optimizer states, each like the shard

  sharding::LayoutAttr layout() const { return line.get().getLayout(); }
  mlir::RankedTensorType shardType() const {
    return mlir::RankedTensorType::get({layout().getShardElements()},
                                       layout().getElementType());
  }
};

/// What all phases of a program share.
struct Program {
  explicit Program(mlir::ModuleOp module) : module(module), kernels(module) {}

  mlir::ModuleOp module;
  BufferTable buffers;
  KernelTable kernels;
  llvm::StringMap<LineBuffers> lines; ///< by lineKey
  llvm::MapVector<mlir::Attribute, Slice> constants;
  llvm::StringMap<Slice> roles; ///< inputs, scalars and results
  unsigned numInPlace = 0;
  unsigned numCopies = 0;

  static std::string lineKey(llvm::StringRef unit, int64_t line) {
    return (unit + "/" + llvm::Twine(line)).str();
  }
  LineBuffers &getLine(llvm::StringRef unit, int64_t line) {
    return lines[lineKey(unit, line)];
  }
  /// The unit whose module holds `scope`.
  llvm::StringRef unitOfScope(llvm::StringRef scope);
};

/// Converts `func` to a phase at `builder`'s insertion point.
mlir::LogicalResult convertPhase(Program &program, mlir::OpBuilder &builder,
                                 mlir::func::FuncOp func, llvm::StringRef runs);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_PHASECONVERTER_H
