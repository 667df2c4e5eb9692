//===- ConvertFsdpToFsdpRt.cpp - Tensors to buffers, ops to dispatches ----===//
//
//   %y = train.kernel "add" (%x, %b) : ...
// becomes, in a phase,
//   %e = fsdprt.launch "add" @k3 extent 64 scratch 0 on compute
//     [#fsdprt.arg<read 4 [0 : 4096]>, #fsdprt.arg<read 9 [512 : 64]>,
//      #fsdprt.arg<write 12 [0 : 4096]>] unit "h.0" scope "h.0.mlp"
// and, in the program,
//   module @k3 {
//     func.func @k3(...) { ... train.kernel "add" (%x, %b) : ... }
//   }
// This file makes what the phases share; PhaseConverter.cpp converts one.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/Passes.h"
#include "passes/Plan/PhaseConverter.h"
#include "passes/Plan/RoundingKeys.h"
#include "passes/Support/Step.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringSet.h"

namespace fsdp {
#define GEN_PASS_DEF_CONVERTFSDPTOFSDPRT
#include "passes/Plan/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct ConvertFsdpToFsdpRt
    : public fsdp::impl::ConvertFsdpToFsdpRtBase<ConvertFsdpToFsdpRt> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<std::unique_ptr<Target>> target = getTarget(module);
    if (failed(target))
      return signalPassFailure();
    Program program(module, **target);
    func::FuncOp init = getFunction(module, kInit);
    func::FuncOp step = init ? getFunction(module, kStep) : nullptr;
    func::FuncOp save = step ? getFunction(module, kExport) : nullptr;
    if (!save) // one error: the first that is missing
      return signalPassFailure();
    SmallVector<std::pair<func::FuncOp, rt::Runs>> functions = {
        {init, rt::Runs::Once}};
    if (auto count = module.lookupSymbol<func::FuncOp>(kCount))
      functions.emplace_back(count, rt::Runs::Count);
    functions.emplace_back(step, rt::Runs::Microbatch);
    if (auto evaluate = module.lookupSymbol<func::FuncOp>(kEvaluate))
      functions.emplace_back(evaluate, rt::Runs::Evaluate);
    functions.emplace_back(save, rt::Runs::Save);
    if (failed(checkSignatures(step, functions)) ||
        failed(createLines(program, init, step)))
      return signalPassFailure();
    for (func::FuncOp func : getReaders(module))
      createRoles(program, func);
    createRank(program);
    createRoundingKeys(program);
    createStates(program);
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    for (auto [func, runs] : functions)
      createConstants(program, func);
    for (auto [func, runs] : functions)
      if (failed(convertPhase(program, builder, func, runs)))
        return signalPassFailure();
    for (auto [func, runs] : functions)
      func.erase();
    for (auto state :
         llvm::make_early_inc_range(module.getOps<train::StateOp>()))
      state.erase();
    extendLives(program);
    builder.setInsertionPointToStart(module.getBody());
    program.buffers.emit(builder, module.getLoc());
    program.communicators.emit(builder, module.getLoc());
    numKernels = program.kernels.size();
    numReused = program.kernels.getNumReused();
    numInPlace = program.numInPlace;
    numCopies = program.numCopies;
  }

  /// The step and what evaluates take and return tensors of known size, each
  /// with a role; what counts or evaluates takes some of the step's inputs, and
  /// the other phases nothing.
  LogicalResult
  checkSignatures(func::FuncOp step,
                  ArrayRef<std::pair<func::FuncOp, rt::Runs>> all) {
    for (func::FuncOp func : getReaders(getOperation()))
      if (failed(checkRoles(func)))
        return failure();
    for (auto [func, runs] : all)
      if (func != step && failed(checkInputs(func, runs, step)))
        return failure();
    return success();
  }

  static LogicalResult checkInputs(func::FuncOp func, rt::Runs runs,
                                   func::FuncOp step) {
    bool evaluates = runs == rt::Runs::Evaluate;
    bool takesInputs = evaluates || runs == rt::Runs::Count;
    bool fits = evaluates || func.getNumResults() == 0;
    for (auto [i, type] : llvm::enumerate(func.getArgumentTypes())) {
      auto role = func.getArgAttrOfType<StringAttr>(i, kRole);
      Value input = role ? findArgument(step, role) : Value();
      fits &= takesInputs && input && input.getType() == type;
    }
    if (fits)
      return success();
    return func.emitError("'")
           << func.getSymName() << "' has type " << func.getFunctionType()
           << ", expected "
           << (takesInputs ? "arguments of the step" : "no arguments")
           << (evaluates ? "" : " and no results");
  }

  static LogicalResult checkRoles(func::FuncOp func) {
    auto check = [&](StringRef what, unsigned i, DictionaryAttr attrs,
                     Type type) -> LogicalResult {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || !tensor.hasStaticShape() ||
          !tensor.getElementType().isIntOrFloat())
        return func.emitError("'")
               << func.getSymName() << "' has " << what << " " << i
               << " of type " << type
               << ", expected a tensor of numbers with static shape";
      if (!attrs || !attrs.getAs<StringAttr>(kRole))
        return func.emitError("'")
               << func.getSymName() << "' has " << what << " " << i
               << " without '" << kRole
               << "': run --train-attach-loss, --train-build-backward and "
                  "--train-build-update";
      return success();
    };
    for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
      if (failed(check("argument", i, func.getArgAttrDict(i), type)))
        return failure();
    for (auto [i, type] : llvm::enumerate(func.getResultTypes()))
      if (failed(check("result", i, func.getResultAttrDict(i), type)))
        return failure();
    return success();
  }

  /// Shards and optimizer states, from what `init` loads.
  LogicalResult createLines(Program &program, func::FuncOp init,
                            func::FuncOp step) {
    llvm::StringSet<> reduced, whole; // lines whose gradients are summed up so
    auto keyOf = [](auto op) {
      return (op.getUnit() + "/" + Twine(op.getLine())).str();
    };
    for (Operation &op : step.getBody().front())
      if (auto sum = dyn_cast<sharding::AccumulateOp>(op))
        reduced.insert(keyOf(sum));
      else if (auto sum = dyn_cast<sharding::AccumulateGradientsOp>(op))
        whole.insert(keyOf(sum));
    llvm::StringMap<int64_t> unitIndex;
    for (auto [i, unit] :
         llvm::enumerate(getOperation().getOps<sharding::UnitOp>()))
      unitIndex[unit.getSymName()] = i;
    for (auto load : init.getBody().front().getOps<sharding::LoadOp>()) {
      auto line = lookupLine(load, load.getUnit(), load.getLine());
      if (failed(line))
        return failure();
      LineBuffers buffers;
      buffers.line = *line;
      buffers.unitIndex = unitIndex[load.getUnit()];
      auto describe = [&](StringRef name, rt::BufferKind kind, Type type) {
        return Buffer{(load.getUnit() + " " + name).str(),
                      load.getUnit().str(),
                      kind,
                      byteSize(type),
                      "",
                      "",
                      "",
                      nullptr};
      };
      Type shard = buffers.shardType();
      buffers.shard = program.buffers.create(
          describe("parameters", rt::BufferKind::Shard, shard));
      buffers.source = buffers.shard;
      if (line->get().hasSource()) {
        Buffer source = describe("gather source", rt::BufferKind::Shard,
                                 buffers.sourceType());
        source.type = buffers.sourceType();
        source.line = load.getLine();
        buffers.source = program.buffers.create(std::move(source));
      }
      for (auto [kept, type] :
           llvm::zip_equal(line->get().getStates(), buffers.stateTypes())) {
        Buffer state = describe(kept.name, rt::BufferKind::Optimizer, type);
        state.type = type;
        state.state = kept.name.str();
        state.line = load.getLine();
        buffers.states.push_back(program.buffers.create(std::move(state)));
      }
      if (factorsType(line->get()).getNumElements() > 0) {
        RankedTensorType type = factorsType(line->get());
        Buffer factors = describe(kFactors, rt::BufferKind::Optimizer, type);
        factors.type = type;
        factors.state = kFactors.str();
        factors.line = load.getLine();
        buffers.factors = program.buffers.create(std::move(factors));
      }
      bool sumsReduced = reduced.contains(keyOf(load));
      if (sumsReduced || whole.contains(keyOf(load))) {
        sharding::LayoutAttr layout = line->get().getReduceLayout();
        Buffer sums = describe("accumulator", rt::BufferKind::Accumulator,
                               sumsReduced ? LineBuffers::shardTypeOf(layout)
                                           : LineBuffers::lineTypeOf(layout));
        sums.accumulates = sumsReduced; // whole ones are reduced from there
        buffers.accumulator = program.buffers.create(std::move(sums));
      }
      program.addLine(std::move(buffers));
    }
    return success();
  }

  void createRank(Program &program) {
    auto rank = RankedTensorType::get({}, IntegerType::get(&getContext(), 64));
    program.roles["rank"] =
        program.buffers.create({"rank", "", rt::BufferKind::Scalar,
                                byteSize(rank), "", "", "rank", rank});
  }

  void createStates(Program &program) {
    for (auto state : getOperation().getOps<train::StateOp>())
      program.states[state.getSymName()] = program.buffers.create(
          {state.getSymName().str(), "", rt::BufferKind::Accumulator,
           byteSize(state.getType()), "", "", "", nullptr});
  }

  /// A buffer lives until the last phase that uses it.
  void extendLives(Program &program) {
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      forEachArgument(phase, [&](int64_t, Operation *, rt::ArgAttr arg) {
        Buffer &buffer = program.buffers[arg.getBuffer()];
        if (!buffer.phase.empty() && buffer.phase != phase.getSymName())
          buffer.until = phase.getSymName().str();
      });
  }

  /// Inputs, scalars and results that the runtime writes or reads.
  void createRoles(Program &program, func::FuncOp reader) {
    auto create = [&](DictionaryAttr attrs, Type type) {
      StringRef role = attrs.getAs<StringAttr>(kRole).getValue();
      if (program.roles.contains(role)) // an input of the step
        return;
      auto name = attrs.getAs<StringAttr>(kOnnxName);
      bool scalar = cast<RankedTensorType>(type).getRank() == 0;
      program.roles[role] = program.buffers.create(
          {name ? name.str() : role.str(), "",
           scalar ? rt::BufferKind::Scalar : rt::BufferKind::Input,
           byteSize(type), "", "", role.str(), type});
    };
    for (unsigned i = 0; i < reader.getNumArguments(); ++i)
      create(reader.getArgAttrDict(i), reader.getArgument(i).getType());
    for (unsigned i = 0; i < reader.getNumResults(); ++i)
      create(reader.getResultAttrDict(i), reader.getResultTypes()[i]);
  }

  /// Tensors of the program itself that dispatches read.
  void createConstants(Program &program, func::FuncOp step) {
    step.walk([&](onnx::ConstantOp constant) {
      if (constant->getParentOp() != step ||
          program.constants.contains(constant.getValue()))
        return;
      program.constants[constant.getValue()] = program.buffers.create(
          {"constant", "", rt::BufferKind::Constant,
           byteSize(constant.getType()), "", "", "", nullptr});
    });
  }
};
} // namespace
