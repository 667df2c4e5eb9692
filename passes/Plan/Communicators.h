//===- Communicators.h - Who exchanges in which group -----------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_COMMUNICATORS_H
#define FSDP_PASSES_PLAN_COMMUNICATORS_H

#include "dialects/Fsdp/Fsdp.h"
#include "dialects/FsdpRt/FsdpRt.h"

#include "mlir/IR/BuiltinOps.h"

namespace fsdp {
/// The communicators of a program: gathers, reductions and the sums of scalars
/// have their own for the axes that they go over, so that they overlap. Numbers
/// are given in the order in which they are asked for.
class Communicators {
public:
  /// `purpose` names what goes over it: "gather". The same purpose, axes and
  /// stream give the same number.
  int64_t get(llvm::StringRef purpose, sharding::MeshAttr mesh,
              llvm::ArrayRef<mlir::StringAttr> axes, rt::Stream stream);

  /// Builds one `fsdprt.communicator` each.
  void emit(mlir::OpBuilder &builder, mlir::Location loc) const;

private:
  struct Entry {
    std::string purpose;
    sharding::MeshAttr mesh;
    llvm::SmallVector<mlir::StringAttr> axes;
    rt::Stream stream;
  };
  llvm::SmallVector<Entry> entries;
};

/// The communicators of a module by their number.
llvm::DenseMap<int64_t, rt::CommunicatorOp>
communicatorsOf(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_COMMUNICATORS_H
