//===- Phases.cpp - Phases as LLVM functions ------------------------------===//
//
//   %e = fsdprt.launch "add" @k3 ...
// becomes, in the function of its unit,
//   %s = call i32 @fsdprt_launch(ptr %context, ptr @desc.7)
//   %failed = icmp ne i32 %s, 0
//   br i1 %failed, label %exit, label %next
// LLVM's time grows faster than a function's length, hence one function a unit.
//
//===----------------------------------------------------------------------===//
#include "passes/Lower/Phases.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Lower/Descriptors.h"

#include "runtime/abi/fsdprt.h"
#include "llvm/IR/IRBuilder.h"

using namespace mlir;
using namespace fsdp;

std::string fsdp::phaseSymbol(StringRef name) {
  return ("fsdp_phase_" + name).str();
}

namespace {
/// A function `i32 name(ptr context)` whose body is a chain of calls, each
/// followed by a return when its status is not 0.
class CallChain {
public:
  CallChain(llvm::Module &module, StringRef name, bool isExported)
      : builder(module.getContext()) {
    auto *pointer = llvm::PointerType::getUnqual(module.getContext());
    auto *type =
        llvm::FunctionType::get(builder.getInt32Ty(), {pointer}, false);
    function =
        llvm::Function::Create(type,
                               isExported ? llvm::GlobalValue::ExternalLinkage
                                          : llvm::GlobalValue::InternalLinkage,
                               name, module);
    function->addFnAttr(llvm::Attribute::NoInline);
    function->setDoesNotThrow();
    auto *entry =
        llvm::BasicBlock::Create(module.getContext(), "entry", function);
    exit = llvm::BasicBlock::Create(module.getContext(), "exit", function);
    builder.SetInsertPoint(exit);
    status = builder.CreatePHI(builder.getInt32Ty(), 0, "status");
    builder.CreateRet(status);
    builder.SetInsertPoint(entry);
  }

  void call(llvm::FunctionCallee callee, ArrayRef<llvm::Value *> rest = {}) {
    SmallVector<llvm::Value *> operands = {function->getArg(0)};
    llvm::append_range(operands, rest);
    llvm::Value *result = builder.CreateCall(callee, operands);
    auto *next =
        llvm::BasicBlock::Create(builder.getContext(), "next", function, exit);
    status->addIncoming(result, builder.GetInsertBlock());
    builder.CreateCondBr(builder.CreateIsNotNull(result), exit, next);
    builder.SetInsertPoint(next);
  }

  llvm::Function *finish() {
    status->addIncoming(builder.getInt32(0), builder.GetInsertBlock());
    builder.CreateBr(exit);
    return function;
  }

private:
  llvm::IRBuilder<> builder;
  llvm::Function *function;
  llvm::BasicBlock *exit;
  llvm::PHINode *status;
};

/// Adds the descriptors of the phase's products to `gemms`.
LogicalResult
translatePhase(rt::PhaseOp phase, llvm::Module &module,
               const DenseMap<int64_t, DescriptorBuilder::Place> &places,
               SmallVectorImpl<llvm::Constant *> &gemms) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto *callType = llvm::FunctionType::get(llvm::Type::getInt32Ty(context),
                                           {pointer, pointer}, false);
  DescriptorBuilder descriptors(module, places);
  CallChain chain(module, phaseSymbol(phase.getSymName()), /*isExported=*/true);
  std::unique_ptr<CallChain> segment;
  StringAttr unit;
  auto closeSegment = [&] {
    if (segment)
      chain.call(segment->finish());
    segment.reset();
  };
  for (Operation &op : phase.getBody().front()) {
    auto own = op.getAttrOfType<StringAttr>("unit");
    if (!segment || own != unit) {
      closeSegment();
      unit = own;
      segment = std::make_unique<CallChain>(
          module, (phase.getSymName() + "." + own.getValue()).str(),
          /*isExported=*/false);
    }
    FailureOr<DescriptorBuilder::Call> call = descriptors.build(&op);
    if (failed(call))
      return failure();
    segment->call(module.getOrInsertFunction(call->function, callType),
                  {call->descriptor});
  }
  closeSegment();
  chain.finish();
  llvm::append_range(gemms, descriptors.getGemms());
  return success();
}

void exportConstant(llvm::Module &module, llvm::Constant *value,
                    StringRef name) {
  new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                           llvm::GlobalValue::ExternalLinkage, value, name);
}
} // namespace

FailureOr<std::unique_ptr<llvm::Module>>
fsdp::translatePhases(ModuleOp module, llvm::LLVMContext &context) {
  DenseMap<int64_t, DescriptorBuilder::Place> places;
  for (auto buffer : module.getOps<rt::BufferOp>()) {
    if (int64_t(buffer.getOffset()) < 0)
      return buffer.emitOpError("has no offset: run --plan-assign-offsets");
    places[buffer.getId()] = {int64_t(buffer.getArena()),
                              int64_t(buffer.getOffset())};
  }
  auto result = std::make_unique<llvm::Module>("program", context);
  exportConstant(*result,
                 llvm::ConstantInt::get(llvm::Type::getInt32Ty(context),
                                        FSDPRT_ABI_VERSION),
                 "fsdp_program_abi");
  SmallVector<llvm::Constant *> gemms;
  for (auto phase : module.getOps<rt::PhaseOp>())
    if (failed(translatePhase(phase, *result, places, gemms)))
      return failure();
  auto *pointer = llvm::PointerType::getUnqual(context);
  gemms.push_back(llvm::ConstantPointerNull::get(pointer));
  exportConstant(*result,
                 llvm::ConstantArray::get(
                     llvm::ArrayType::get(pointer, gemms.size()), gemms),
                 "fsdp_program_gemms");
  return result;
}
