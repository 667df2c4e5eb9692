//===- ConvertFsdpToFsdpRt.cpp - Tensors to buffers, ops to dispatches ----===//
//
//   %y = train.kernel "add" (%x, %b) : ...
// becomes, in a phase,
//   %e = fsdprt.launch "add" @k3 extent 64 scratch 0 on compute
//     [#fsdprt.arg<read 4 [0 : 4096]>, #fsdprt.arg<read 9 [512 : 64]>,
//      #fsdprt.arg<write 12 [0 : 4096]>] unit "h.0" scope "h.0.mlp"
// This file makes what the phases share; PhaseConverter.cpp converts one.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/Passes.h"
#include "passes/Plan/PhaseConverter.h"
#include "passes/Support/Step.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
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

StringRef Program::unitOfScope(StringRef scope) {
  StringRef found;
  for (auto unit : module.getOps<sharding::UnitOp>()) {
    StringRef name = unit.getSymName();
    bool inside =
        scope == name || (scope.starts_with(name) && scope[name.size()] == '.');
    if (inside && name.size() > found.size())
      found = name;
  }
  return found;
}

namespace {
/// The optimizer's persistent states, each of a line's size.
SmallVector<StringRef> stateNames(Attribute rule) {
  if (isa_and_nonnull<train::AdamWAttr>(rule))
    return {"exp_avg", "exp_avg_sq"};
  auto sgd = dyn_cast_or_null<train::SgdAttr>(rule);
  if (sgd && sgd.getMomentum().getValueAsDouble() != 0)
    return {"momentum_buffer"};
  return {};
}

struct ConvertFsdpToFsdpRt
    : public fsdp::impl::ConvertFsdpToFsdpRtBase<ConvertFsdpToFsdpRt> {
  using ConvertFsdpToFsdpRtBase::ConvertFsdpToFsdpRtBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Program program(module);
    func::FuncOp init = getFunction(module, kInit);
    func::FuncOp step = getFunction(module, kStep);
    func::FuncOp save = getFunction(module, kExport);
    if (!init || !step || !save)
      return signalPassFailure();
    createLines(program, init);
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
    numKernels = program.kernels.size();
    numReused = program.kernels.getNumReused();
    numInPlace = program.numInPlace;
    numCopies = program.numCopies;
  }

  /// Shards and optimizer states, from what `init` loads.
  void createLines(Program &program, func::FuncOp init) {
    llvm::StringMap<int64_t> unitIndex;
    for (auto [i, unit] :
         llvm::enumerate(getOperation().getOps<sharding::UnitOp>()))
      unitIndex[unit.getSymName()] = i;
    init.walk([&](sharding::LoadOp load) {
      auto line = lookupLine(load, load.getUnit(), load.getLine());
      if (failed(line))
        return;
      LineBuffers &buffers = program.getLine(load.getUnit(), load.getLine());
      buffers.line = *line;
      buffers.unitIndex = unitIndex[load.getUnit()];
      int64_t bytes = byteSize(buffers.shardType());
      auto create = [&](StringRef name, rt::BufferKind kind) {
        return program.buffers.create({(load.getUnit() + " " + name).str(),
                                       load.getUnit().str(), kind, bytes, "",
                                       "", nullptr});
      };
      buffers.shard = create("parameters", rt::BufferKind::Shard);
      for (StringRef name : stateNames(load.getRuleAttr()))
        buffers.states.push_back(create(name, rt::BufferKind::Optimizer));
    });
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
