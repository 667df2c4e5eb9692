//===- Passes.td - Tensor ops to kernels -------------------*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

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
    been released by then).
  }];
  let statistics = [Statistic<"numFolded", "folded", "products that add">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}

def KernelFormGroups : Pass<"kernel-form-groups", "::mlir::ModuleOp"> {
  let summary = "puts every computation into a kernel";
  let description = [{
    Each pure op of `onnx` and `train` that is not a view, a constant or a
    library call becomes a `train.kernel`; an elementwise op whose result has a
    single, elementwise use of the same shape joins its consumer. Nothing is
    moved across an op with side effects and nothing is computed twice.
    Splat constants are cloned into the kernels that read them. Products in f32
    and bf16 stay `onnx.matmul`, for the GEMM library.
  }];
  let statistics = [
    Statistic<"numKernels", "kernels", "kernels formed">,
    Statistic<"numFused", "fused", "ops that joined their consumer">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}
