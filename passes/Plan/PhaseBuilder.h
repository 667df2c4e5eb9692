//===- PhaseBuilder.h - Dispatches of one phase -----------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_PHASEBUILDER_H
#define FSDP_PASSES_PLAN_PHASEBUILDER_H

#include "passes/Plan/Buffers.h"

namespace fsdp {
/// Appends dispatches to a phase and keeps the events straight. Compute is one
/// stream in issue order. A collective waits for the last compute dispatch
/// before it (its operands are written, what it overwrites is read); whoever
/// needs its result waits for its event through `need`.
class PhaseBuilder {
public:
  PhaseBuilder(mlir::OpBuilder &builder, mlir::Location loc,
               llvm::StringRef name, rt::Runs runs);

  llvm::StringRef getName() { return phase.getSymName(); }
  rt::Runs getRuns() { return phase.getRuns(); }

  /// The next compute dispatch waits for `event`.
  void need(mlir::Value event) { needed.push_back(event); }

  /// Creates a dispatch of type `Op` on `stream`; `extra` are its own
  /// attributes, in the order of FsdpRtOps.td. Returns its event.
  template <typename Op, typename... Extra>
  mlir::Value dispatch(llvm::StringRef name, rt::Stream stream,
                       llvm::ArrayRef<mlir::Attribute> args,
                       llvm::StringRef unit, llvm::StringRef scope,
                       Extra &&...extra) {
    auto op = builder.create<Op>(
        loc, rt::EventType::get(builder.getContext()),
        builder.getStringAttr(name),
        rt::StreamAttr::get(builder.getContext(), stream),
        builder.getArrayAttr(args), takeWaits(stream),
        builder.getStringAttr(unit), builder.getStringAttr(scope),
        std::forward<Extra>(extra)...);
    if (stream == rt::Stream::Compute)
      lastCompute = op.getDone();
    return op.getDone();
  }

  mlir::Attribute arg(rt::Access access, const Slice &slice) {
    return rt::ArgAttr::get(builder.getContext(), access, slice.buffer,
                            slice.begin, slice.bytes);
  }

  mlir::OpBuilder &getBuilder() { return builder; }
  void setLoc(mlir::Location newLoc) { loc = newLoc; }

private:
  llvm::SmallVector<mlir::Value> takeWaits(rt::Stream stream);

  mlir::OpBuilder builder;
  mlir::Location loc;
  rt::PhaseOp phase;
  mlir::Value lastCompute;
  llvm::SmallVector<mlir::Value> needed;
};
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_PHASEBUILDER_H
