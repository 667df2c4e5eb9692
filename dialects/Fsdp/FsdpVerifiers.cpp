//===- FsdpVerifiers.cpp - Rules of single fsdp ops -----------------------===//
//
// Labels as in SPEC.md. Rules over a whole step are passes/Verify's.
//
//===----------------------------------------------------------------------===//
#include "dialects/Fsdp/Fsdp.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fsdp::sharding;

PolicyAttr UnitOp::getEffectivePolicy() {
  if (PolicyAttr policy = getPolicyAttr())
    return policy;
  return PolicyAttr::get(getContext(), /*reshardAfterForward=*/!getRoot(),
                         /*prefetchForward=*/1, /*prefetchBackward=*/1);
}

LogicalResult UnitOp::verify() {
  auto module = (*this)->getParentOfType<ModuleOp>();
  if (!module)
    return success();
  for (auto line : getLines().getAsRange<LineAttr>()) {
    ArrayRef<Type> types = line.getLayout().getTypes();
    if (types.size() != line.getParameters().size())
      return emitOpError("lists ")
             << line.getParameters().size() << " parameters for a layout of "
             << types.size() << " (unit_c1)";
    for (auto [name, type] : llvm::zip(line.getParameters(), types)) {
      auto parameter = module.lookupSymbol<fsdp::onnx::ParameterOp>(name);
      if (!parameter || parameter.getType() != type) // unit_c1
        return emitOpError("lists parameter ")
               << name << " as " << type
               << ", which no onnx.parameter declares (unit_c1)";
    }
  }
  return success();
}

/// Checks that `types` are all of one layout's sharded types, in order, and
/// returns that layout.
static FailureOr<LayoutAttr> commonLayout(Operation *op, TypeRange types,
                                          StringRef label) {
  if (types.empty())
    return op->emitOpError("has no shards (") << label << ")";
  LayoutAttr layout;
  for (auto [i, type] : llvm::enumerate(types)) {
    auto sharded = dyn_cast<ShardedType>(type);
    if (sharded && !layout)
      layout = sharded.getLayout();
    if (!sharded || sharded.getLayout() != layout ||
        sharded.getIndex() != int64_t(i))
      return op->emitOpError("shard ")
             << i << " of type " << type << " is not parameter " << i
             << " of the layout of the first (" << label << ")";
  }
  if (layout.getTypes().size() != types.size())
    return op->emitOpError("has ")
           << types.size() << " shards, expected all "
           << layout.getTypes().size() << " of the layout (" << label << ")";
  return layout;
}

static LogicalResult verifyAxes(Operation *op, ArrayAttr axes,
                                LayoutAttr layout, StringRef label) {
  if (llvm::equal(axes.getAsRange<StringAttr>(), layout.getAxes()))
    return success();
  return op->emitOpError("is over ")
         << axes << ", expected the layout's axes (" << label << ")";
}

LogicalResult AllGatherStartOp::verify() {
  auto layout = commonLayout(*this, getShards().getTypes(), "all_gather_c1");
  if (failed(layout))
    return failure();
  ArrayRef<Type> types = getPending().getType().getTypes();
  for (auto [i, type] : llvm::enumerate(layout->getTypes()))
    if (types.size() != layout->getTypes().size() || types[i] != type)
      return emitOpError("result type ")
             << getPending().getType() << " does not match the global type "
             << type << " of shard " << i << " (all_gather_c2)";
  return verifyAxes(*this, getAxes(), *layout, "all_gather_c3");
}

LogicalResult ReduceScatterStartOp::verify() {
  ArrayRef<Type> types = getPending().getType().getTypes();
  auto layout = commonLayout(*this, types, "reduce_scatter_c2");
  if (failed(layout))
    return failure();
  for (auto [i, type] : llvm::enumerate(layout->getTypes()))
    if (getGrads().size() != types.size() || getGrads()[i].getType() != type)
      return emitOpError("gradients do not match parameter ")
             << i << " of type " << type << " (reduce_scatter_c1)";
  return verifyAxes(*this, getAxes(), *layout, "reduce_scatter_c3");
}

LogicalResult WaitOp::verify() {
  if (TypeRange(getValues()) != TypeRange(getPending().getType().getTypes()))
    return emitOpError("results do not match ")
           << getPending().getType() << " (wait_c1)";
  return success();
}

LogicalResult AccumulateOp::verify() {
  if (failed(commonLayout(*this, getGrads().getTypes(), "accumulate_c1")))
    return failure();
  if (getGrads().getTypes() != getSums().getTypes())
    return emitOpError("results do not have the gradients' types "
                       "(accumulate_c1)");
  return success();
}

LogicalResult AccumulateGradientsOp::verify() {
  if (getGrads().empty() || getGrads().getTypes() != getSums().getTypes())
    return emitOpError("results do not have the gradients' types "
                       "(accumulate_gradients_c1)");
  return success();
}

LogicalResult UpdateOp::verify() {
  auto layout = commonLayout(*this, getGrads().getTypes(), "update_c1");
  if (failed(layout))
    return failure();
  auto module = (*this)->getParentOfType<ModuleOp>();
  auto unit = module ? module.lookupSymbol<UnitOp>(getUnit()) : UnitOp();
  if (!unit) // a line that is not declared is passes/Shard's to report
    return success();
  auto lines = llvm::to_vector(unit.getLines().getAsRange<LineAttr>());
  if (getLine() >= lines.size() ||
      lines[getLine()].getReduceLayout() != *layout)
    return emitOpError("gradients are not sharded as those of line ")
           << getLine() << " of unit '" << getUnit() << "' (update_c1)";
  if (!lines[getLine()].getTrainable()) // update_c2
    return emitOpError("updates line ")
           << getLine() << " of unit '" << getUnit()
           << "', which has no rules (update_c2)";
  return success();
}
