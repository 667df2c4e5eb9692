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
    if (failed(checkSignatures(step, {init, save})) ||
        failed(createLines(program, init)))
      return signalPassFailure();
    createRoles(program, step);
    createConstants(program, step);
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    if (failed(convertPhase(program, builder, init, "once")) ||
        failed(convertPhase(program, builder, step, "step")) ||
        failed(convertPhase(program, builder, save, "save")))
      return signalPassFailure();
    for (func::FuncOp func : {init, step, save})
      func.erase();
    builder.setInsertionPointToStart(module.getBody());
    program.buffers.emit(builder, module.getLoc());
    program.communicators.emit(builder, module.getLoc());
    numKernels = program.kernels.size();
    numReused = program.kernels.getNumReused();
    numInPlace = program.numInPlace;
    numCopies = program.numCopies;
  }

  /// Each input and result of the step is a tensor of known size with a role;
  /// the other phases have none.
  LogicalResult checkSignatures(func::FuncOp step,
                                ArrayRef<func::FuncOp> others) {
    for (func::FuncOp func : others)
      if (func.getNumArguments() + func.getNumResults() != 0)
        return func.emitError("'")
               << func.getSymName() << "' has type " << func.getFunctionType()
               << ", expected no arguments and no results";
    auto check = [&](StringRef what, unsigned i, DictionaryAttr attrs,
                     Type type) -> LogicalResult {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || !tensor.hasStaticShape() ||
          !tensor.getElementType().isIntOrFloat())
        return step.emitError("'step' has ")
               << what << " " << i << " of type " << type
               << ", expected a tensor of numbers with static shape";
      if (!attrs || !attrs.getAs<StringAttr>(kRole))
        return step.emitError("'step' has ")
               << what << " " << i << " without '" << kRole
               << "': run --train-attach-loss, --train-build-backward and "
                  "--train-build-update";
      return success();
    };
    for (auto [i, type] : llvm::enumerate(step.getArgumentTypes()))
      if (failed(check("argument", i, step.getArgAttrDict(i), type)))
        return failure();
    for (auto [i, type] : llvm::enumerate(step.getResultTypes()))
      if (failed(check("result", i, step.getResultAttrDict(i), type)))
        return failure();
    return success();
  }

  /// Shards and optimizer states, from what `init` loads.
  LogicalResult createLines(Program &program, func::FuncOp init) {
    llvm::StringMap<int64_t> unitIndex;
    for (auto [i, unit] :
         llvm::enumerate(getOperation().getOps<sharding::UnitOp>()))
      unitIndex[unit.getSymName()] = i;
    for (auto load : init.getBody().front().getOps<sharding::LoadOp>()) {
      auto line = lookupLine(load, load.getUnit(), load.getLine());
      if (failed(line))
        return failure();
      LineBuffers buffers{*line, unitIndex[load.getUnit()], {}, {}, {}};
      auto describe = [&](StringRef name, rt::BufferKind kind, Type type) {
        return Buffer{(load.getUnit() + " " + name).str(),
                      load.getUnit().str(),
                      kind,
                      byteSize(type),
                      "",
                      "",
                      nullptr};
      };
      auto create = [&](StringRef name, rt::BufferKind kind, Type type) {
        return program.buffers.create(describe(name, kind, type));
      };
      Type shard = buffers.shardType();
      buffers.shard = create("parameters", rt::BufferKind::Shard, shard);
      buffers.source = buffers.shard;
      if (line->get().hasSource())
        buffers.source = create("gather source", rt::BufferKind::Shard,
                                buffers.sourceType());
      for (StringRef name : stateNames(load.getRuleAttr())) {
        Buffer state = describe(name, rt::BufferKind::Optimizer, shard);
        state.type = shard;
        state.state = name.str();
        state.line = load.getLine();
        buffers.states.push_back(program.buffers.create(std::move(state)));
      }
      program.addLine(std::move(buffers));
    }
    return success();
  }

  /// Inputs, scalars and results that the runtime writes or reads.
  void createRoles(Program &program, func::FuncOp step) {
    auto create = [&](DictionaryAttr attrs, Type type) {
      StringRef role = attrs.getAs<StringAttr>(kRole).getValue();
      auto name = attrs.getAs<StringAttr>(kOnnxName);
      bool scalar = cast<RankedTensorType>(type).getRank() == 0;
      program.roles[role] = program.buffers.create(
          {name ? name.str() : role.str(), "",
           scalar ? rt::BufferKind::Scalar : rt::BufferKind::Input,
           byteSize(type), "", role.str(), type});
    };
    for (unsigned i = 0; i < step.getNumArguments(); ++i)
      create(step.getArgAttrDict(i), step.getArgument(i).getType());
    for (unsigned i = 0; i < step.getNumResults(); ++i)
      create(step.getResultAttrDict(i), step.getResultTypes()[i]);
    auto rank = RankedTensorType::get({}, IntegerType::get(&getContext(), 64));
    program.roles["rank"] = program.buffers.create(
        {"rank", "", rt::BufferKind::Scalar, byteSize(rank), "", "rank", rank});
  }

  /// Tensors of the program itself that dispatches read.
  void createConstants(Program &program, func::FuncOp step) {
    step.walk([&](onnx::ConstantOp constant) {
      if (constant->getParentOp() != step ||
          program.constants.contains(constant.getValue()))
        return;
      program.constants[constant.getValue()] = program.buffers.create(
          {"constant", "", rt::BufferKind::Constant,
           byteSize(constant.getType()), "", "", nullptr});
    });
  }
};
} // namespace
