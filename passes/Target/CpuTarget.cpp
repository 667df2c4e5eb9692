//===- CpuTarget.cpp - CPUs, with oneDNN ----------------------------------===//
#include "passes/Target/CompileInParallel.h"
#include "passes/Target/CpuCode.h"
#include "passes/Target/Target.h"

#include "runtime/device/GemmProblem.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Workers that the scratch of a launch, and of a product, is planned for; more
/// do not help it.
constexpr int64_t kMaxScratchWorkers = 8;

int32_t productDtype(Type type) {
  return type.isF32() ? FSDPRT_F32 : FSDPRT_BF16;
}

/// Whether oneDNN has a product of bf16 on this host.
bool libraryHasBf16() {
  fsdprt_gemm_desc desc = {};
  desc.dtype = desc.c_dtype = FSDPRT_BF16;
  desc.m = desc.n = desc.k = 64;
  desc.a_row_stride = desc.b_row_stride = desc.c_row_stride = 64;
  desc.a_col_stride = desc.b_col_stride = 1;
  return fsdprt::gemmScratchBytes(desc, 1) >= 0;
}

class CpuTarget : public Target {
public:
  StringRef getKind() const override { return "cpu"; }
  std::string getHostCpu(StringRef cpu) const override { return cpu.str(); }
  bool hasProductsOf(Type type, StringRef cpu) const override;
  int64_t getSumScratchBytes(int64_t allBytes) const override {
    return allBytes; // the ranks' parts side by side, to sum in their order
  }
  int64_t getAlignment() const override { return 64; }

  FailureOr<KernelShape> getKernelShape(train::KernelOp kernel) const override {
    FailureOr<CompiledKernelInfo> info = getKernelInfo(kernel);
    if (failed(info))
      return failure();
    return shapeOf(*info);
  }

  std::optional<int64_t> getProductScratchBytes(const GemmShape &gemm,
                                                Type operand, Type result,
                                                int32_t adds) const override;

  std::string explainMissingProduct() const override {
    return "that oneDNN does not have on this CPU; compile on one that has it "
           "(bf16: AVX-512), or give --kernel-fold-adds and "
           "--kernel-form-groups library-bf16=false";
  }

  FailureOr<std::vector<CodeFile>>
  compileKernels(MutableArrayRef<ProgramKernel> kernels,
                 const CodeOptions &options) const override;

private:
  static KernelShape shapeOf(const CompiledKernelInfo &info) {
    KernelShape shape;
    shape.extent = info.extent;
    shape.scratchBytes = info.scratchBytes;
    shape.workers = std::min(kMaxScratchWorkers, info.extent);
    return shape;
  }
};
} // namespace

/// f32 everywhere; bf16 needs AVX-512, here and on the CPU compiled for.
bool CpuTarget::hasProductsOf(Type type, StringRef cpu) const {
  if (!type.isBF16())
    return type.isF32();
  FailureOr<KernelTarget> target = getKernelTarget(cpu);
  auto has = [&](const char *feature) {
    return succeeded(target) &&
           llvm::is_contained(target->featureNames, feature);
  };
  return has("avx512bw") && has("avx512vl") && has("avx512dq") &&
         libraryHasBf16();
}

std::optional<int64_t> CpuTarget::getProductScratchBytes(const GemmShape &gemm,
                                                         Type operand,
                                                         Type result,
                                                         int32_t adds) const {
  if (operand.isF16() || result.isF16())
    return std::nullopt;
  fsdprt_gemm_desc desc = {};
  desc.dtype = productDtype(operand);
  desc.adds = adds;
  desc.c_dtype = productDtype(result);
  desc.m = gemm.m, desc.n = gemm.n, desc.k = gemm.k;
  size_t rank = gemm.batch.size();
  desc.num_batch_dims = rank;
  llvm::copy(gemm.batch, desc.batch);
  llvm::copy(ArrayRef(gemm.a).take_front(rank), desc.a_batch_strides);
  llvm::copy(ArrayRef(gemm.b).take_front(rank), desc.b_batch_strides);
  llvm::copy(ArrayRef(gemm.c).take_front(rank), desc.c_batch_strides);
  desc.a_row_stride = gemm.a[rank], desc.a_col_stride = gemm.a[rank + 1];
  desc.b_row_stride = gemm.b[rank], desc.b_col_stride = gemm.b[rank + 1];
  desc.c_row_stride = gemm.c[rank];
  int64_t bytes = fsdprt::gemmScratchBytes(desc, kMaxScratchWorkers);
  return bytes < 0 ? std::nullopt : std::optional(bytes);
}

FailureOr<std::vector<CodeFile>>
CpuTarget::compileKernels(MutableArrayRef<ProgramKernel> kernels,
                          const CodeOptions &options) const {
  FailureOr<KernelTarget> target = getKernelTarget(options.cpu);
  if (failed(target)) // whoever compiles has asked before
    return failure();
  std::vector<SmallVector<char, 0>> objects(kernels.size());
  auto compileOne = [&](size_t i) -> LogicalResult {
    ProgramKernel &kernel = kernels[i];
    FailureOr<CompiledKernelInfo> info =
        compileForCpu(kernel.op, kernel.symbol, *target, objects[i]);
    if (failed(info))
      return failure();
    kernel.shape = shapeOf(*info);
    return success();
  };
  if (failed(compileInParallel(kernels, options, compileOne)))
    return failure();
  std::vector<CodeFile> files;
  for (auto [i, object] : llvm::enumerate(objects)) {
    // Not the symbol: a plan written by hand may name a kernel anything.
    files.push_back({"k" + std::to_string(i) + ".o", "object"});
    if (failed(options.write(files.back().name,
                             StringRef(object.data(), object.size()))))
      return failure();
  }
  return files;
}

std::unique_ptr<Target> fsdp::createCpuTarget() {
  return std::make_unique<CpuTarget>();
}
