//===- CudaTarget.cpp - NVIDIA's GPUs, with cuBLASLt and NCCL -------------===//
#include "passes/Kernel/Gpu.h"
#include "passes/Target/CudaCode.h"
#include "passes/Target/ReferenceCode.h"
#include "passes/Target/Target.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// What differs between architectures.
struct GpuArch {
  const char *name; ///< as ptxas has it
  const char *chip; ///< the newest up to it that LLVM 19 knows
  /// cuBLASLt's workspace, as its documentation recommends.
  int64_t workspaceBytes;
  int64_t attentionBytes; ///< of scores at once
  int64_t foldElements;   ///< of a large reduction, by one block
  CostModel cost;
};
constexpr int64_t kMiB = 1024 * 1024;
// On the simulator even small models have several blocks of rows, and sums.
//
// Costs are those of A100 80GB, H100 and B200, SXM each, by NVIDIA's data
// sheets: dense products, memory, and one direction of a GPU's NVLinks; 20 us a
// collective within a host, as NCCL's tests show on eight H100.
constexpr CostModel kH100 = {66.9e12, 989.4e12, 3.35e12, 450e9, 2e-5, 2e-6};
constexpr GpuArch kArchs[] = {
    {"sm_80",
     "sm_80",
     4 * kMiB,
     256 * kMiB,
     8192,
     {19.5e12, 312e12, 2.039e12, 300e9, 2e-5, 2e-6}},
    {"sm_90", "sm_90", 32 * kMiB, 256 * kMiB, 8192, kH100},
    {"sm_100",
     "sm_90",
     32 * kMiB,
     256 * kMiB,
     8192,
     {75e12, 2250e12, 8e12, 900e9, 2e-5, 2e-6}},
    {"simulated", "sm_90", kMiB, 1024, 64, kH100}};

/// Blocks that keep any of these chips busy, twice over; each takes several
/// chunks of a larger loop.
constexpr int64_t kMaxBlocks = 2048;
/// Fewer share a loop whose blocks take scratch, so that all of it stays small.
constexpr int64_t kMaxScratchBytes = 64 * kMiB;
constexpr int64_t kMinScratchBlocks = 8;

/// What the library has workspace for is the parts of a result whose sums are
/// split over multiprocessors. One of so many tiles occupies them all.
constexpr int64_t kTile = 128, kManyTiles = 1024, kSmallWorkspace = 4 * kMiB;

class CudaTarget : public Target {
public:
  CudaTarget(const GpuArch &arch, bool tf32) : arch(arch), tf32(tf32) {}

  StringRef getKind() const override { return "cuda"; }
  StringRef getArch() const override { return arch.name; }

  /// The host's part calls the runtime and computes nothing: any CPU runs it.
  std::string getHostCpu(StringRef) const override {
    llvm::Triple host(llvm::sys::getDefaultTargetTriple());
    return host.getArch() == llvm::Triple::x86_64 ? "x86-64" : "generic";
  }

  FailureOr<KernelShape> getKernelShape(train::KernelOp kernel) const override {
    FailureOr<GpuKernelInfo> info = getGpuKernelInfo(kernel);
    if (failed(info))
      return failure();
    return shapeOf(*info);
  }

  bool hasProductsOf(Type type, StringRef) const override {
    return type.isF32() || type.isBF16() || type.isF16();
  }
  std::optional<int64_t> getProductScratchBytes(const GemmShape &gemm, Type,
                                                Type, int32_t) const override {
    int64_t tiles =
        llvm::divideCeil(gemm.m, kTile) * llvm::divideCeil(gemm.n, kTile);
    for (int64_t extent : gemm.batch)
      tiles *= extent;
    return tiles < kManyTiles ? arch.workspaceBytes
                              : std::min(arch.workspaceBytes, kSmallWorkspace);
  }
  std::string explainMissingProduct() const override {
    return "that cuBLASLt does not have";
  }
  bool allowsTf32() const override { return tf32; }
  int64_t getAttentionBytes() const override { return arch.attentionBytes; }
  int64_t getFoldElements() const override { return arch.foldElements; }
  CostModel getCostModel() const override { return arch.cost; }
  bool computesAtIssue() const override { return false; }
  int64_t getSumScratchBytes(int64_t) const override { return 0; }
  int64_t getAlignment() const override { return 256; }
  int64_t getArgumentAlignment() const override { return kWideBytes; }

  FailureOr<std::vector<CodeFile>>
  compileKernels(MutableArrayRef<ProgramKernel> kernels,
                 const CodeOptions &options) const override {
    if (kernels.empty())
      return std::vector<CodeFile>();
    FailureOr<KernelTarget> host = getReferenceTarget(getHostCpu(options.cpu));
    if (failed(host)) // whoever compiles has asked before
      return failure();
    ReferenceCode reference(kernels.size(), *host);
    auto emit = [&](ProgramKernel &kernel, ModuleOp dest) -> LogicalResult {
      FailureOr<GpuKernelInfo> info =
          emitGpuKernel(kernel.op, dest, kernel.symbol);
      if (failed(info))
        return failure();
      kernel.shape = shapeOf(*info);
      return reference.add(&kernel - kernels.data(), kernel);
    };
    FailureOr<std::vector<CodeFile>> files =
        StringRef(arch.name) == "simulated"
            ? compileForSimulator(kernels, options, emit)
            : compileForGpu(kernels, options, emit, arch.chip, arch.name);
    if (failed(files))
      return failure();
    FailureOr<CodeFile> cpuCode = reference.link(options);
    if (failed(cpuCode))
      return failure();
    files->push_back(*cpuCode);
    return files;
  }

private:
  static KernelShape shapeOf(const GpuKernelInfo &info) {
    KernelShape shape;
    shape.extent = info.extent;
    shape.scratchBytes = info.scratchBytes;
    int64_t most = kMaxBlocks;
    if (info.scratchBytes)
      most = std::clamp(kMaxScratchBytes / info.scratchBytes, kMinScratchBlocks,
                        kMaxBlocks);
    shape.grid =
        Grid{std::clamp<int64_t>(info.blocks(), 1, most), info.threads};
    shape.workers = shape.grid->blocks;
    return shape;
  }

  const GpuArch &arch;
  bool tf32;
};
} // namespace

const std::vector<std::string> &fsdp::getGpuArchs() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const GpuArch &arch : kArchs)
      all.push_back(arch.name);
    return all;
  }();
  return names;
}

std::unique_ptr<Target> fsdp::createCudaTarget(StringRef arch, bool tf32) {
  for (const GpuArch &known : kArchs)
    if (arch == known.name)
      return std::make_unique<CudaTarget>(known, tf32);
  return nullptr;
}
