//===- Passes.td - Buffers, schedules, offsets -------------*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

def ConvertFsdpToFsdpRt : Pass<"convert-fsdp-to-fsdprt", "::mlir::ModuleOp"> {
  let summary = "tensors to buffers, ops to dispatches on streams";
  let description = [{
    Each function becomes a phase. A value gets a buffer, or a range of one:
    views share their source's, a gathered parameter is a range of its line, a
    gradient is computed where the reduce-scatter reads it, and a result takes
    over an operand's buffer where the kernel allows it and nothing reads the
    operand afterwards. Kernels are kept, equal ones once, as the op of a function
    in a module of its own; how they are launched, and what scratch a dispatch
    takes, the target says that the module's `fsdprt.target` names (passes/Target).
    Where it wants that, attention is products of the library and launches between
    them (ConvertAttention.h).
    Collectives run on their own streams between events, each on a communicator
    for its purpose and axes.
    On one rank there are none: what is gathered is the shard, but where it is read
    after its update, what is reduced the gradient.
  }];
  let statistics = [
    Statistic<"numKernels", "kernels", "kernels of the program">,
    Statistic<"numReused", "reused-kernels", "kernels equal to an earlier one">,
    Statistic<"numInPlace", "in-place", "results computed in place">,
    Statistic<"numCopies", "copies", "copies that remain">];
  // A target looks at kernels' loops: the dialects of these must be loaded.
  let dependentDialects = [
    "::fsdp::rt::FsdpRtDialect", "::fsdp::train::TrainDialect",
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::mlir::vector::VectorDialect"];
}

def PlanAssignOffsets : Pass<"plan-assign-offsets", "::mlir::ModuleOp"> {
  let summary = "gives every buffer its place in an arena";
  let description = [{
    A buffer of one phase lives from the first dispatch that uses it to the
    last, in issue order, one that a microbatch leaves to the update through the
    phases between; what a collective uses lives until compute has waited
    for its event. So every reuse is across an event, since a collective waits
    for the compute before it. Several
    orders of placing (by size, by length of life) are tried with best fit and
    the smallest arena is taken. Offsets are multiples of what the target asks for:
    64 bytes on the CPU.
  }];
  let statistics = [
    Statistic<"peakBytes", "peak-bytes", "sum of the arenas">,
    Statistic<"liveBytes", "live-bytes", "most bytes alive at once">];
  let dependentDialects = ["::fsdp::rt::FsdpRtDialect"];
}

def PlanCheckMemory : Pass<"plan-check-memory", "::mlir::ModuleOp"> {
  let summary = "refuses a plan that needs more memory than there is";
  let description = [{
    The sum of the arenas is what a rank needs. An error names the dispatch at
    the peak and what is in memory there, by kind and unit, the largest first.
  }];
  let options = [Option<"limit", "limit", "std::string", "",
                        "bytes a rank may use, such as 2GiB; empty: any">];
}
