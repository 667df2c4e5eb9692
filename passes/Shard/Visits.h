//===- Visits.h - When a step computes a unit -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SHARD_VISITS_H
#define FSDP_PASSES_SHARD_VISITS_H

#include "passes/Shard/Lines.h"

#include "llvm/ADT/SetVector.h"

namespace fsdp {
/// The visits of a step's units. A visit is a stretch of forward or of backward
/// in which ops read the parameters of one unit and of no other but the root:
/// a module that is called several times (a looped block) has a visit for each
/// call, and one for the backward of each. An op that reads two units belongs
/// to a visit of both. The root unit, which stays gathered, has one visit in
/// forward and one in backward.
class Visits {
public:
  /// `units` names the unit of each read in `block`.
  Visits(mlir::Block &block,
         const llvm::DenseMap<mlir::Value, sharding::UnitOp> &units);

  /// Puts every op on parameters and constants alone before its first user,
  /// once for each visit that uses it: otherwise a full weight would live from
  /// one visit to the next. Returns how many ops were cloned.
  int64_t sinkWeightChains();

  /// Whether `value` is computed from parameters (and constants) alone.
  bool isWeight(mlir::Value value) const { return origins.contains(value); }

  /// The number of the visit of `unit` that `op` belongs to, in the order of
  /// the step; 0 when it reads no parameter of `unit`.
  int64_t of(mlir::Operation *op, sharding::UnitOp unit) const;

private:
  /// A visit: the unit and its number.
  using Place = std::pair<mlir::Operation *, int64_t>;
  using Places = llvm::SmallVector<Place, 1>;
  using Units = llvm::SmallSetVector<mlir::Operation *, 2>;

  Units unitsRead(mlir::Operation &op) const;
  bool isChain(mlir::Operation &op) const;
  void visit(mlir::Operation &op, const Units &units);
  Places placesOf(mlir::Operation *op, const Units &units) const;
  int64_t sink(mlir::Operation &op);

  /// Values that are parameters or computed from parameters and constants
  /// alone -> the units they come from.
  llvm::DenseMap<mlir::Value, Units> origins;
  llvm::SmallVector<mlir::Operation *> chains; ///< in order
  llvm::DenseMap<mlir::Operation *, Places> places;
  // The walk's state.
  Units open; ///< units, besides the root, that the last reader read
  llvm::DenseMap<mlir::Operation *, int64_t> counts;
  bool isBackward = false;
};
} // namespace fsdp

#endif // FSDP_PASSES_SHARD_VISITS_H
