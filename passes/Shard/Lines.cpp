//===- Lines.cpp - Units and lines of a module ----------------------------===//
#include "passes/Shard/Lines.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

SmallVector<LineRef> fsdp::getLines(ModuleOp module) {
  SmallVector<LineRef> lines;
  for (auto unit : module.getOps<UnitOp>())
    for (int64_t i = 0, e = unit.getLines().size(); i < e; ++i)
      lines.push_back({unit, i});
  return lines;
}

FailureOr<LineRef> fsdp::lookupLine(Operation *op, StringRef unit,
                                    int64_t index) {
  auto module = op->getParentOfType<ModuleOp>();
  auto unitOp = module.lookupSymbol<UnitOp>(unit);
  if (!unitOp || index < 0 || index >= int64_t(unitOp.getLines().size()))
    return op->emitOpError("names line ")
           << index << " of unit '" << unit << "', which is not declared";
  return LineRef{unitOp, index};
}

SmallVector<Type> fsdp::getShardedTypes(LayoutAttr layout) {
  SmallVector<Type> types;
  for (size_t i = 0; i < layout.getTypes().size(); ++i)
    types.push_back(ShardedType::get(layout.getContext(),
                                     layout.getTensorType(i), layout, i));
  return types;
}

ValueRange fsdp::buildGather(OpBuilder &builder, Location loc,
                             const LineRef &line, LayoutAttr layout) {
  MLIRContext *context = builder.getContext();
  SmallVector<Attribute> axes(layout.getAxes().begin(), layout.getAxes().end());
  auto shards = builder.create<ShardsOp>(loc, getShardedTypes(layout),
                                         line.unitName(), line.index);
  auto start = builder.create<AllGatherStartOp>(
      loc, PendingType::get(context, layout.getTypes()), line.unitName(),
      line.index, shards.getShards(), ArrayAttr::get(context, axes));
  return builder.create<WaitOp>(loc, layout.getTypes(), start.getPending())
      .getValues();
}

bool fsdp::takesSums(ReduceScatterStartOp start) {
  auto sum =
      start.getGrads().empty()
          ? AccumulateGradientsOp()
          : start.getGrads().front().getDefiningOp<AccumulateGradientsOp>();
  return sum && sum.getUnit() == start.getUnit() &&
         sum.getLine() == start.getLine() &&
         llvm::equal(sum.getSums(), start.getGrads());
}

SmallVector<GradientLineRef> fsdp::getGradientLines(Block &block) {
  SmallVector<GradientLineRef> lines;
  auto add = [&](auto op) {
    lines.push_back({op, op.getUnit(), int64_t(op.getLine()), op.getGrads()});
  };
  for (Operation &op : block)
    if (auto start = dyn_cast<ReduceScatterStartOp>(op)) {
      if (!takesSums(start))
        add(start);
    } else if (auto sum = dyn_cast<AccumulateGradientsOp>(op)) {
      add(sum);
    }
  return lines;
}
