// RUN: not fsdp-opt %s --train-mixed-precision=param-dtype=fp16 2>&1 | FileCheck %s
// RUN: not fsdp-opt %s --fsdp-assign-units=reduce-dtype=half 2>&1 | FileCheck %s --check-prefix=REDUCE
// RUN: fsdp-opt %s --train-mixed-precision=param-dtype=float32 | FileCheck %s --check-prefix=SAME
// RUN: fsdp-opt %s --train-mixed-precision | FileCheck %s --check-prefix=SAME

// Tests that an unknown type is refused, and that f32 and nothing change nothing.
// CHECK: error: --param-dtype 'fp16': unknown, expected float32, bfloat16 or float16
// REDUCE: error: --reduce-dtype 'half': unknown, expected float32, bfloat16 or float16
// SAME-NOT: onnx.cast
onnx.parameter @p : tensor<2x4xf32>
func.func @step() -> tensor<2x4xf32> {
  %p = onnx.read @p : tensor<2x4xf32>
  return %p : tensor<2x4xf32>
}
