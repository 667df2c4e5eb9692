//===- SpreadOverThreads.cpp - Loops shared by the threads of a block -----===//
#include "passes/Kernel/Emitter.h"
#include "passes/Kernel/Gpu.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
/// The op that joins the parts of a reduction, taken from its body.
struct Combiner {
  Operation *op = nullptr;

  Combiner(linalg::GenericOp generic, unsigned output) {
    BlockArgument carried = generic.getRegionOutputArgs()[output];
    Value yielded = generic.getBody()->getTerminator()->getOperand(output);
    Operation *last = yielded.getDefiningOp();
    if (last && last->getNumOperands() == 2 && carried.hasOneUse() &&
        *carried.user_begin() == last && neutralOf(last))
      op = last;
  }

  Value neutral(OpBuilder &b, Location loc) const {
    return b.create<arith::ConstantOp>(loc, neutralOf(op));
  }
  Value apply(OpBuilder &b, Value x, Value y) const {
    Operation *joined = b.clone(*op);
    joined->setOperands({x, y});
    return joined->getResult(0);
  }

private:
  static TypedAttr neutralOf(Operation *op) {
    Builder b(op->getContext());
    Type type = op->getResult(0).getType();
    if (isa<arith::AddFOp, arith::AddIOp, arith::OrIOp>(op))
      return b.getZeroAttr(type);
    if (isa<arith::MaxSIOp>(op))
      return b.getIntegerAttr(
          type, APInt::getSignedMinValue(type.getIntOrFloatBitWidth()));
    if (isa<arith::MaxNumFOp, arith::MaximumFOp>(op))
      return b.getFloatAttr(type, -std::numeric_limits<double>::infinity());
    return nullptr;
  }
};

class Spreader {
public:
  Spreader(func::FuncOp body, int threads)
      : b(body.getContext()), loc(body.getLoc()), body(body), threads(threads) {
    b.setInsertionPointToStart(&body.getBody().front());
    thread32 = b.create<NVVM::ThreadIdXOp>(loc, b.getI32Type());
    thread = b.create<arith::IndexCastUIOp>(loc, b.getIndexType(), thread32);
    isFirst = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, thread,
                                      index(0));
  }

  LogicalResult run() { return visit(body.getBody().front()); }

private:
  LogicalResult visit(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block))
      if (failed(visit(&op)))
        return failure();
    return success();
  }

  LogicalResult visit(Operation *op) {
    b.setInsertionPoint(op);
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      return generic.getNumReductionLoops() ? spreadReduction(generic)
                                            : spreadMap(generic);
    if (auto store = dyn_cast<memref::StoreOp>(op))
      return storeOnce(store);
    if (auto tile = dyn_cast<memref::AllocaOp>(op))
      return share(tile);
    if (isa<memref::PrefetchOp>(op)) {
      op->erase();
      return success();
    }
    if (isa<linalg::LinalgOp, LLVM::CallOp>(op))
      return op->emitOpError("cannot be shared by the threads of a block");
    auto loop = dyn_cast<scf::ForOp>(op);
    if (loop && loop->hasAttr(kParallelLoop))
      return spreadNest(loop);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        if (failed(visit(block)))
          return failure();
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Maps
  //===--------------------------------------------------------------------===//

  LogicalResult spreadMap(linalg::GenericOp op) {
    forOwn(extentsOf(op), elementsAtOnce(op), {},
           [&](ArrayRef<Place> group, ValueRange) {
             // Apart from each other, or no access could be joined with that to
             // its neighbour.
             SmallVector<SmallVector<Value>> loaded, results;
             for (const Place &at : group)
               loaded.push_back(loadOperands(op, at));
             for (auto [at, values] : llvm::zip(group, loaded))
               results.push_back(emitBody(op, at, values));
             for (auto [at, values] : llvm::zip(group, results))
               for (auto [value, out] :
                    llvm::zip(values, op.getDpsInitsMutable()))
                 b.create<memref::StoreOp>(loc, value, out.get(),
                                           place(op, out, at));
             return SmallVector<Value>();
           });
    op.erase();
    return success();
  }

  SmallVector<Value> extentsOf(linalg::GenericOp op) {
    SmallVector<Value> extents(op.getNumLoops());
    for (OpOperand &operand : op->getOpOperands())
      for (auto [i, dim] :
           llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults())) {
        Value &extent = extents[cast<AffineDimExpr>(dim).getPosition()];
        if (!extent)
          extent = b.createOrFold<memref::DimOp>(loc, operand.get(), i);
      }
    return extents;
  }

  using Place = SmallVector<Value>; ///< an index a dimension

  static Place place(linalg::GenericOp op, OpOperand &operand,
                     ArrayRef<Value> at) {
    Place indices;
    for (AffineExpr dim : op.getMatchingIndexingMap(&operand).getResults())
      indices.push_back(at[cast<AffineDimExpr>(dim).getPosition()]);
    return indices;
  }

  /// The elements `at` of the operands that the body reads; null for others.
  SmallVector<Value> loadOperands(linalg::GenericOp op, ArrayRef<Value> at) {
    SmallVector<Value> values;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (op.getMatchingBlockArgument(&operand).use_empty())
        value = Value();
      else if (isa<MemRefType>(value.getType()))
        value = b.create<memref::LoadOp>(loc, value, place(op, operand, at));
      values.push_back(value);
    }
    return values;
  }

  /// What the body yields for element `at`, whose operands are `loaded`.
  SmallVector<Value> emitBody(linalg::GenericOp op, ArrayRef<Value> at,
                              ArrayRef<Value> loaded) {
    IRMapping values;
    Block *block = op.getBody();
    for (auto [arg, value] : llvm::zip(block->getArguments(), loaded))
      if (value)
        values.map(arg, value);
    for (Operation &inner : block->without_terminator()) {
      if (auto number = dyn_cast<linalg::IndexOp>(inner))
        values.map(number.getResult(), at[number.getDim()]);
      else
        b.clone(inner, values);
    }
    SmallVector<Value> results;
    for (Value yielded : block->getTerminator()->getOperands())
      results.push_back(values.lookupOrDefault(yielded));
    return results;
  }

  /// What is done with a group of places and the values carried so far; returns
  /// the next ones.
  using Each =
      llvm::function_ref<SmallVector<Value>(ArrayRef<Place>, ValueRange)>;

  /// Runs `each` on this thread's places of an index space, `count` neighbours
  /// at once and what is left one by one, carrying values.
  SmallVector<Value> forOwn(ArrayRef<Value> extents, int64_t count,
                            ValueRange inits, Each each) {
    Value total = index(1);
    for (Value extent : extents)
      total = b.createOrFold<arith::MulIOp>(loc, total, extent);
    if (count == 1)
      return forGroups(extents, thread, total, 1, inits, each);
    Value rest = b.createOrFold<arith::RemUIOp>(loc, total, index(count));
    Value whole = b.createOrFold<arith::SubIOp>(loc, total, rest);
    Value first = b.create<arith::MulIOp>(loc, thread, index(count));
    SmallVector<Value> carried =
        forGroups(extents, first, whole, count, inits, each);
    if (getConstantIntValue(rest) == 0)
      return carried;
    Value left = b.create<arith::AddIOp>(loc, whole, thread);
    return forGroups(extents, left, total, 1, carried, each);
  }

  SmallVector<Value> forGroups(ArrayRef<Value> extents, Value from, Value to,
                               int64_t count, ValueRange inits, Each each) {
    auto loop =
        b.create<scf::ForOp>(loc, from, to, index(threads * count), inits);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Place> group = {delinearize(loop.getInductionVar(), extents)};
    for (int64_t i = 1; i < count; ++i) {
      group.push_back(group.front());
      group.back().back() =
          b.create<arith::AddIOp>(loc, group.front().back(), index(i));
    }
    SmallVector<Value> next = each(group, loop.getRegionIterArgs());
    if (!inits.empty())
      b.create<scf::YieldOp>(loc, next);
    return loop.getResults();
  }

  Place delinearize(Value linear, ArrayRef<Value> extents) {
    Place at(extents.size());
    for (size_t d = extents.size(); d-- > 0;) {
      at[d] = d ? b.create<arith::RemUIOp>(loc, linear, extents[d]).getResult()
                : linear;
      if (d)
        linear = b.create<arith::DivUIOp>(loc, linear, extents[d]);
    }
    return at;
  }

  //===--------------------------------------------------------------------===//
  // Reductions
  //===--------------------------------------------------------------------===//

  /// Outs are variables of each thread, which all hold the result afterwards.
  LogicalResult spreadReduction(linalg::GenericOp op) {
    SmallVector<Combiner> combiners;
    SmallVector<Value> parts;
    for (unsigned i = 0; i < op.getNumDpsInits(); ++i) {
      combiners.emplace_back(op, i);
      Value out = op.getDpsInits()[i];
      if (!combiners.back().op || !out.getDefiningOp<memref::AllocaOp>() ||
          cast<MemRefType>(out.getType()).getRank() != 0)
        return op.emitOpError("reduces in a way that threads cannot share");
      parts.push_back(combiners.back().neutral(b, loc));
    }
    parts = forOwn(extentsOf(op), elementsAtOnce(op), parts,
                   [&](ArrayRef<Place> group, ValueRange carried) {
                     return foldGroup(op, group, carried);
                   });
    for (auto [part, combiner, out] :
         llvm::zip(parts, combiners, op.getDpsInits())) {
      Value before = b.create<memref::LoadOp>(loc, out);
      Value total = combiner.apply(b, before, joinThreads(part, combiner));
      b.create<memref::StoreOp>(loc, total, out);
    }
    op.erase();
    return success();
  }

  /// Folds the group's elements, in order, into what is carried.
  SmallVector<Value> foldGroup(linalg::GenericOp op, ArrayRef<Place> group,
                               ValueRange carried) {
    SmallVector<SmallVector<Value>> loaded;
    for (const Place &at : group)
      loaded.push_back(loadOperands(op, at));
    SmallVector<Value> parts(carried);
    for (auto [at, values] : llvm::zip(group, loaded)) {
      llvm::copy(parts, values.end() - parts.size());
      parts = emitBody(op, at, values);
    }
    return parts;
  }

  /// The parts of all threads joined in a fixed tree: first within warps, then
  /// their results, which each warp reads from shared memory.
  Value joinThreads(Value part, const Combiner &combiner) {
    part = joinLanes(part, combiner, kWarp);
    int warps = threads / kWarp;
    if (warps == 1)
      return part;
    std::string type;
    llvm::raw_string_ostream(type) << part.getType();
    Value exchange = sharedMemory(MemRefType::get({warps}, part.getType()),
                                  nameOf("parts_" + type));
    Value warp = b.create<arith::DivUIOp>(loc, thread, index(kWarp));
    Value lane = b.create<arith::RemUIOp>(loc, thread, index(kWarp));
    Value leads =
        b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, lane, index(0));
    barrier(); // the last reduction's parts are read
    auto ifOp = b.create<scf::IfOp>(loc, leads, /*withElseRegion=*/false);
    ifOp.getThenBodyBuilder().create<memref::StoreOp>(loc, part, exchange,
                                                      warp);
    barrier();
    Value slot = b.create<arith::RemUIOp>(loc, thread, index(warps));
    part = b.create<memref::LoadOp>(loc, exchange, slot);
    return joinLanes(part, combiner, warps);
  }

  /// Joins groups of `lanes` neighbours; each lane computes the same.
  Value joinLanes(Value part, const Combiner &combiner, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance /= 2)
      part = combiner.apply(b, part, fromLane(part, distance));
    return part;
  }

  /// `value` of the lane whose number differs in the bit `distance`.
  Value fromLane(Value value, int distance) {
    Type type = value.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
    if (type.isF64())
      return b.create<arith::BitcastOp>(
          loc, type,
          fromLane(b.create<arith::BitcastOp>(loc, i64, value), distance));
    if (type.isInteger(64)) {
      Value half = number(i64, 32);
      Value low = b.create<arith::TruncIOp>(loc, i32, value);
      Value high = b.create<arith::TruncIOp>(
          loc, i32, b.create<arith::ShRUIOp>(loc, value, half));
      low = b.create<arith::ExtUIOp>(loc, i64, fromLane(low, distance));
      high = b.create<arith::ExtUIOp>(loc, i64, fromLane(high, distance));
      return b.create<arith::OrIOp>(loc, low,
                                    b.create<arith::ShLIOp>(loc, high, half));
    }
    if (isa<IntegerType>(type) && type.getIntOrFloatBitWidth() < 32) {
      Value wide = b.create<arith::ExtUIOp>(loc, i32, value);
      return b.create<arith::TruncIOp>(loc, type, fromLane(wide, distance));
    }
    return b.create<NVVM::ShflOp>(loc, type, number(i32, -1), value,
                                  number(i32, distance), number(i32, kWarp - 1),
                                  NVVM::ShflKind::bfly, UnitAttr());
  }

  //===--------------------------------------------------------------------===//
  // Parallel loops, scalars, tiles
  //===--------------------------------------------------------------------===//

  /// `outer` and the parallel loops that are all there is in it.
  static SmallVector<scf::ForOp> nestOf(scf::ForOp outer) {
    SmallVector<scf::ForOp> nest = {outer};
    while (true) {
      auto inner = dyn_cast_or_null<scf::ForOp>(
          nest.back().getBody()->getTerminator()->getPrevNode());
      if (!inner || !inner->hasAttr(kParallelLoop))
        return nest;
      for (Operation &op : llvm::make_early_inc_range(
               nest.back().getBody()->without_terminator()))
        if (op.hasTrait<OpTrait::ConstantLike>())
          op.moveBefore(outer);
        else if (&op != inner && !isMemoryEffectFree(&op))
          return nest;
      if (!outer.isDefinedOutsideOfLoop(inner.getLowerBound()) ||
          !outer.isDefinedOutsideOfLoop(inner.getUpperBound()))
        return nest;
      nest.push_back(inner);
    }
  }

  LogicalResult spreadNest(scf::ForOp outer) {
    SmallVector<scf::ForOp> nest = nestOf(outer);
    b.setInsertionPoint(outer);
    SmallVector<Value> extents;
    for (scf::ForOp loop : nest)
      extents.push_back(b.createOrFold<arith::SubIOp>(loc, loop.getUpperBound(),
                                                      loop.getLowerBound()));
    forOwn(extents, 1, {}, [&](ArrayRef<Place> group, ValueRange) {
      for (auto [loop, i] : llvm::zip(nest, group.front())) {
        Value place = b.create<arith::AddIOp>(loc, i, loop.getLowerBound());
        loop.getInductionVar().replaceAllUsesWith(place);
      }
      for (scf::ForOp loop : nest)
        for (Operation &op :
             llvm::make_early_inc_range(loop.getBody()->without_terminator()))
          if (!llvm::is_contained(ArrayRef(nest).drop_front(),
                                  dyn_cast<scf::ForOp>(op)))
            op.moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
      return SmallVector<Value>();
    });
    outer.erase();
    return success();
  }

  /// Variables are every thread's own, a buffer's element is stored once.
  LogicalResult storeOnce(memref::StoreOp store) {
    Value memref = store.getMemref();
    if (memref.getDefiningOp<memref::AllocaOp>() &&
        cast<MemRefType>(memref.getType()).getRank() == 0)
      return success();
    auto ifOp = b.create<scf::IfOp>(loc, isFirst, /*withElseRegion=*/false);
    store->moveBefore(ifOp.thenYield());
    return success();
  }

  LogicalResult share(memref::AllocaOp tile) {
    if (tile.getType().getRank() == 0)
      return success();
    tile.replaceAllUsesWith(
        sharedMemory(tile.getType(), nameOf("tile" + Twine(numTiles++))));
    tile.erase();
    return success();
  }

  /// `name` in the block's shared memory, as a memref of plain pointers.
  Value sharedMemory(MemRefType type, StringRef name) {
    auto module = body->getParentOfType<ModuleOp>();
    auto shared =
        MemRefType::get(type.getShape(), type.getElementType(), AffineMap(),
                        b.getI64IntegerAttr(kSharedMemory));
    if (!module.lookupSymbol(name)) {
      OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
      top.create<memref::GlobalOp>(
          loc, name, top.getStringAttr("private"), shared, top.getUnitAttr(),
          /*constant=*/false, top.getI64IntegerAttr(64));
    }
    Value global = b.create<memref::GetGlobalOp>(loc, shared, name);
    return b.create<memref::MemorySpaceCastOp>(loc, type, global);
  }
  std::string nameOf(const Twine &part) {
    return (body.getSymName() + "_" + part).str();
  }

  void barrier() { b.create<NVVM::Barrier0Op>(loc); }
  Value index(int64_t value) {
    return b.create<arith::ConstantIndexOp>(loc, value);
  }
  Value number(Type type, int64_t value) {
    return b.create<arith::ConstantOp>(loc, b.getIntegerAttr(type, value));
  }

  OpBuilder b;
  Location loc;
  func::FuncOp body;
  int threads;
  int numTiles = 0;
  Value thread32, thread, isFirst;
};
} // namespace

LogicalResult fsdp::spreadOverThreads(func::FuncOp body, int threads) {
  return Spreader(body, threads).run();
}
