//===- ReferenceCode.cpp - What a GPU's kernels are held to ---------------===//
#include "passes/Target/ReferenceCode.h"
#include "passes/Output/Link.h"
#include "passes/Support/DTypes.h"
#include "passes/Target/CpuCode.h"

#include "runtime/abi/reference.h"
#include "llvm/IR/IRBuilder.h"

using namespace mlir;
using namespace fsdp;

static_assert(sizeof(fsdprt_reference_arg) == 16, "argRow mirrors it");
static_assert(sizeof(fsdprt_reference_kernel) == 48, "addTable mirrors it");

FailureOr<KernelTarget> fsdp::getReferenceTarget(StringRef hostCpu) {
  // Converts float16 by an instruction, and multiplies and adds in one as GPUs
  // do: the processors beside GPUs have had both for ten years.
  FailureOr<KernelTarget> target =
      getKernelTarget(hostCpu == "x86-64" ? "x86-64-v3" : hostCpu);
  if (succeeded(target))
    target->isQuick = true; // the rest of the code is not kept waiting
  return target;
}

LogicalResult ReferenceCode::add(size_t i, const ProgramKernel &kernel) {
  Entry &entry = entries[i];
  FailureOr<CompiledKernelInfo> info =
      compileForCpu(kernel.op, kernel.symbol, host, entry.object);
  if (failed(info))
    return failure();
  entry.op = kernel.op;
  entry.symbol = kernel.symbol;
  entry.info = *info;
  return success();
}

static llvm::Constant *argRow(llvm::IRBuilder<> &b, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return llvm::ConstantStruct::getAnon(
      {b.getInt32(dtypeCode(tensor.getElementType())), b.getInt32(0),
       b.getInt64(tensor.getNumElements())});
}

static llvm::GlobalVariable *tableOf(llvm::Module &module,
                                     ArrayRef<llvm::Constant *> rows,
                                     StringRef name,
                                     llvm::GlobalValue::LinkageTypes linkage) {
  auto *type = llvm::ArrayType::get(rows.front()->getType(), rows.size());
  return new llvm::GlobalVariable(module, type, /*isConstant=*/true, linkage,
                                  llvm::ConstantArray::get(type, rows), name);
}

void ReferenceCode::addTable(llvm::Module &module) const {
  llvm::IRBuilder<> b(module.getContext());
  auto *null = llvm::ConstantPointerNull::get(b.getPtrTy());
  auto *anyFunction = llvm::FunctionType::get(b.getVoidTy(), false);
  SmallVector<llvm::Constant *> rows;
  auto addRow = [&](llvm::Constant *symbol, llvm::Constant *kernel,
                    llvm::Constant *args, size_t numArgs,
                    const CompiledKernelInfo &info) {
    rows.push_back(llvm::ConstantStruct::getAnon(
        {symbol, kernel, args, b.getInt64(numArgs), b.getInt64(info.extent),
         b.getInt64(info.scratchBytes)}));
  };
  for (const Entry &entry : entries) {
    train::KernelOp op = entry.op;
    SmallVector<llvm::Constant *> args;
    for (Type type : op.getOperandTypes())
      args.push_back(argRow(b, type));
    for (Type type : op.getResultTypes())
      args.push_back(argRow(b, type));
    auto *kernel = llvm::cast<llvm::Constant>(
        module.getOrInsertFunction(entry.symbol, anyFunction).getCallee());
    addRow(b.CreateGlobalString(entry.symbol, "symbol", 0, &module), kernel,
           tableOf(module, args, "args", llvm::GlobalValue::PrivateLinkage),
           args.size(), entry.info);
  }
  addRow(null, null, null, 0, CompiledKernelInfo());
  tableOf(module, rows, "fsdp_reference_kernels",
          llvm::GlobalValue::ExternalLinkage);
}

FailureOr<CodeFile> ReferenceCode::link(const CodeOptions &options) {
  llvm::LLVMContext context;
  llvm::Module table("reference", context);
  addTable(table);
  SmallVector<char, 0> object;
  if (failed(compileToObject(table, host, object)))
    return emitError(entries.front().op.getLoc())
           << "cannot generate the table of the kernels' CPU code";
  std::vector<std::string> names;
  auto write = [&](ArrayRef<char> content) {
    names.push_back("r" + std::to_string(names.size()) + ".o");
    return options.write(names.back(),
                         StringRef(content.data(), content.size()));
  };
  if (failed(write(object)))
    return failure();
  for (const Entry &entry : entries)
    if (failed(write(entry.object)))
      return failure();
  CodeFile file = {"reference.so", "reference"};
  if (std::string problem = linkShared(options.folder, names, file.name,
                                       /*isWhole=*/false);
      !problem.empty())
    return emitError(entries.front().op.getLoc())
           << "linking the kernels' CPU code failed: " << problem;
  return file;
}
