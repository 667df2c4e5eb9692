//===- Passes.td - Tensor ops to kernels -------------------*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

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
