//===- Target.h - What a program is planned and compiled for ----*- C++ -*-===//
//
// Planning asks a target how its kernels are launched, what its libraries take
// as scratch and how memory is aligned; at the end it makes code of the
// kernels. Nothing else knows one target from another.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_PASSES_TARGET_TARGET_H
#define FSDP_PASSES_TARGET_TARGET_H

#include "dialects/Train/Train.h"
#include "passes/Target/CostModel.h"
#include "passes/Target/Gemm.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fsdp {
/// How a GPU shares the outer loop of a kernel.
struct Grid {
  int64_t blocks = 1, threads = 1;
};

/// How a kernel is launched.
struct KernelShape {
  int64_t extent = 1;       ///< iterations of the outer parallel loop
  int64_t scratchBytes = 0; ///< of one worker, or block
  int64_t workers = 1;      ///< workers or blocks that scratch is planned for
  std::optional<Grid> grid; ///< on a GPU

  int64_t plannedScratch() const { return workers * scratchBytes; }
};

/// A kernel of a program on its way to code.
struct ProgramKernel {
  train::KernelOp op;
  std::string symbol;
  KernelShape shape; ///< as its code wants to be launched
};

/// A file with code of a program's kernels. Those of form "object" are linked
/// into the program and removed; one of form "reference" is what GPUs are
/// compared with.
struct CodeFile {
  std::string name, form;
};

struct CodeOptions {
  std::string folder;         ///< where the files are
  std::string cpu = "native"; ///< LLVM's name of the host's CPU
  /// The path of ptxas; "none": none; "": where findPtxas finds it.
  std::string ptxas;
  /// Writes a file there, or fails with an error.
  std::function<mlir::LogicalResult(llvm::StringRef name,
                                    llvm::StringRef content)>
      write;
  /// Called with (done, all), by one thread at a time.
  std::function<void(size_t, size_t)> onKernel;
};

class Target {
public:
  virtual ~Target();

  /// "cpu" or "cuda", and the architecture if it has a name of its own.
  virtual llvm::StringRef getKind() const = 0;
  virtual llvm::StringRef getArch() const { return ""; }

  /// LLVM's name of the CPU that the program's host code is for, where the user
  /// asked for `cpu`.
  virtual std::string getHostCpu(llvm::StringRef cpu) const = 0;

  /// How `kernel` is launched. Fails, with an error on the op, where no code
  /// can be made of it.
  virtual mlir::FailureOr<KernelShape>
  getKernelShape(train::KernelOp kernel) const = 0;

  /// Whether the library multiplies elements of `type`, on the host's CPU
  /// `cpu` where that matters.
  virtual bool hasProductsOf(mlir::Type type, llvm::StringRef cpu) const = 0;

  /// Bytes that the library takes as scratch for a product of `operand`
  /// elements, its result in `result`, with the additions `adds`
  /// (FSDPRT_GEMM_...); none where it has no such product.
  virtual std::optional<int64_t> getProductScratchBytes(const GemmShape &gemm,
                                                        mlir::Type operand,
                                                        mlir::Type result,
                                                        int32_t adds) const = 0;

  /// What is missing where the library has no product, and what to do.
  virtual std::string explainMissingProduct() const = 0;

  /// Whether the library may round operands of f32 to TF32.
  virtual bool allowsTf32() const { return false; }

  /// Bytes of scratch for a sum over ranks, each of which has a part of
  /// `allBytes`; 0 where the library has memory of its own.
  virtual int64_t getSumScratchBytes(int64_t allBytes) const = 0;

  /// Of buffers, in bytes.
  virtual int64_t getAlignment() const = 0;

  /// Of a launch's arguments, which may begin within a buffer, in bytes.
  virtual int64_t getArgumentAlignment() const { return 1; }

  /// Makes code of `kernels`, several at once, in files of options.folder, and
  /// says in each how it is launched. Equal kernels give equal files, in
  /// whatever order they are done. Fails with an error.
  virtual mlir::FailureOr<std::vector<CodeFile>>
  compileKernels(llvm::MutableArrayRef<ProgramKernel> kernels,
                 const CodeOptions &options) const = 0;

  /// Elements that an iteration of a large reduction folds at least, where
  /// there would otherwise be too few iterations; 0: any number are enough.
  virtual int64_t getFoldElements() const { return 0; }

  /// What predicted times are made from: the data sheet's numbers.
  virtual CostModel getCostModel() const { return CostModel(); }

  /// Whether the thread that issues the dispatches is the one that computes.
  virtual bool computesAtIssue() const { return true; }

  /// Bytes of scores, of all heads, that attention may hold at once between
  /// products of the library; 0 where it is one kernel.
  virtual int64_t getAttentionBytes() const { return 0; }
};

/// This host's CPUs.
std::unique_ptr<Target> createCpuTarget();

/// GPUs of `arch`, one of getGpuArchs().
std::unique_ptr<Target> createCudaTarget(llvm::StringRef arch, bool tf32);

/// Names of --gpu-arch: architectures of NVIDIA's GPUs, and "simulated".
const std::vector<std::string> &getGpuArchs();

/// What `module` is planned for, by its attribute rt::kTarget. Fails, with an
/// error, where nothing is known of that.
mlir::FailureOr<std::unique_ptr<Target>> getTarget(mlir::ModuleOp module);
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_TARGET_H
