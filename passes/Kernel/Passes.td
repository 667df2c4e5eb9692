//===- Passes.td - Tensor ops to kernels -------------------*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

defvar kernelOutput = Option<"output", "output", "std::string", "\"-\"",
                             "a folder for one file a kernel; -: all to standard output">;

defvar libraryBf16 = Option<"libraryBf16", "library-bf16", "bool", "true",
                            "whether the GEMM library has products of bf16 on the host">;

defvar libraryF16 = Option<"libraryF16", "library-f16", "bool", "false",
                           "whether it has products of f16">;

def KernelSinkCasts : Pass<"kernel-sink-casts", "::mlir::ModuleOp"> {
  let summary = "widens values where they are read";
  let description = [{
    A cast to a wider float type costs nothing inside a kernel and twice the
    bytes as a value in memory: every elementwise op that reads one gets a cast
    of its own, right before it, so that `--kernel-form-groups` can put it into
    its kernel. Casts that other ops read stay, before the first of those.
  }];
  let statistics = [Statistic<"numSunk", "sunk", "casts put before a reader">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect"];
}

def KernelFoldAdds : Pass<"kernel-fold-adds", "::mlir::ModuleOp"> {
  let summary = "lets the library add biases and residuals to products";
  let description = [{
    A product whose only reader adds a bias (one row, in the operands' type)
    becomes a `train.linear`, and so does one that is then added to a residual of
    its own type. Left alone: a residual sum that a normalisation reads, which
    that kernel makes for nothing; products in types that the library has not;
    additions behind an op with side effects (the product's weights may have
    been released by then). Activations are not folded: oneDNN 2.6's relu makes
    0 of NaN, where the kernel keeps it; gelu and silu need their argument in
    backward, and the library's bits differ from the kernels', which
    `--train-recompute` must repeat.
  }];
  let options = [libraryBf16, libraryF16];
  let statistics = [Statistic<"numFolded", "folded", "products that add">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}

def KernelFormGroups : Pass<"kernel-form-groups", "::mlir::ModuleOp"> {
  let summary = "puts every computation into a kernel";
  let description = [{
    Each pure op of `onnx` and `train` that is not a view, a constant or a
    library call becomes a `train.kernel`; an elementwise op whose result has a
    single, elementwise use of the same shape joins its consumer, and so does one
    that only a sum, mean or maximum reads. Nothing is moved across an op with
    side effects and nothing is computed twice. Splat constants are cloned into
    the kernels that read them. Products in f32 and bf16, and with `library-f16` in
    f16, stay `onnx.matmul`, for the GEMM library; with `library-bf16=false`
    those in bf16 become kernels, which compute in f32.
  }];
  let options = [libraryBf16, libraryF16];
  let statistics = [
    Statistic<"numKernels", "kernels", "kernels formed">,
    Statistic<"numFused", "fused", "ops that joined their consumer">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}

def KernelSplitReductions : Pass<"kernel-split-reductions", "::mlir::ModuleOp"> {
  let summary = "cuts large reductions of few results in two";
  let description = [{
    A kernel that sums, averages or maximises many elements to few results has
    few iterations, where a GPU wants hundreds of blocks. It becomes two: the
    first folds parts of at least `least` elements each, the second the parts.
    The elementwise ops that the kernel computes before stay in the first. Left
    alone: what has enough iterations or too few elements, and reductions over
    dimensions that are no neighbours. Counts of valid labels likewise.
  }];
  let options = [
    Option<"least", "least", "int64_t", "8192",
           "elements that a part has at least, or 16 rows of a sum over rows">];
  let statistics = [Statistic<"numSplit", "split", "kernels cut in two">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}

def KernelOrderGathers : Pass<"kernel-order-gathers", "::mlir::ModuleOp"> {
  let summary = "sorts the indices of a gather for its gradient";
  let description = [{
    The gradient of a gather (of an embedding) with one iteration for many rows
    of the table, each of which looks at all indices, becomes a kernel that sorts
    the indices and one with an iteration for each row of the table, which adds
    its own in the same order. Left alone: gathers with batch dimensions, and
    those of more than `most` indices: each is compared with each, 4e9 times for
    65,536, which should take a large GPU a millisecond or two.
  }];
  let options = [
    Option<"most", "most", "int64_t", "65536", "indices that are sorted">];
  let statistics = [Statistic<"numOrdered", "ordered", "gradients split">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}

def KernelToAssembly : Pass<"kernel-to-assembly", "::mlir::ModuleOp"> {
  let summary = "prints the host's assembly of every kernel";
  let description = [{
    Compiles each kind of `train.kernel` as `fsdp-compile --target-cpu` does and
    writes its assembly, `k0.s`, `k1.s` and so on. The module stays as it is.
  }];
  let options = [
    Option<"cpu", "cpu", "std::string", "\"native\"",
           "the processor, by LLVM's name, as skylake-avx512">,
    kernelOutput];
  let statistics = [Statistic<"numKernels", "kernels", "kernels written">];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def KernelToPtx : Pass<"kernel-to-ptx", "::mlir::ModuleOp"> {
  let summary = "prints the PTX of every kernel";
  let description = [{
    Compiles each kind of `train.kernel` for an NVIDIA GPU and writes its PTX,
    `k0.ptx`, `k1.ptx` and so on, which ptxas assembles. A comment before each
    says how it is launched: blocks, threads of a block, bytes of scratch a
    block. The module stays as it is; programs for GPUs are not made yet.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90\"",
           "the GPU, by LLVM's name">,
    kernelOutput];
  let statistics = [Statistic<"numKernels", "kernels", "kernels written">];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::scf::SCFDialect"];
}
