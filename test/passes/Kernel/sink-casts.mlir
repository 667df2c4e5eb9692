// RUN: fsdp-opt %s --kernel-sink-casts | FileCheck %s
// RUN: fsdp-opt %s --kernel-sink-casts --kernel-form-groups | FileCheck %s --check-prefix=KERNEL

// Tests that every elementwise reader widens for itself, next to it, that other
// readers share one cast, and that a narrowing cast stays where it is.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: %[[N:.*]] = onnx.cast %arg1 : tensor<4xf32> -> tensor<4xbf16>
// CHECK-NEXT: %[[A:.*]] = onnx.cast %arg0 : tensor<4xbf16> -> tensor<4xf32>
// CHECK-NEXT: onnx.exp %[[A]]
// CHECK-NEXT: train.backward_begin
// CHECK-NEXT: %[[B:.*]] = onnx.cast %arg0
// CHECK-NEXT: onnx.mul %[[B]], %[[B]]
// CHECK-NEXT: %[[C:.*]] = onnx.cast %arg0
// CHECK-NEXT: onnx.reshape %[[C]]
// CHECK-NEXT: return %{{.*}}, %[[N]]

// The widened value is in memory for the view alone.
// KERNEL: train.kernel "cast"(%arg1)
// KERNEL: train.kernel "cast_exp"(%arg0)
// KERNEL: train.kernel "cast_mul"(%arg0)
// KERNEL: train.kernel "cast"(%arg0)
// KERNEL-NOT: train.kernel
func.func @step(%x: tensor<4xbf16>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<2x2xf32>, tensor<4xbf16>) {
  %w = onnx.cast %x : tensor<4xbf16> -> tensor<4xf32>
  %n = onnx.cast %y : tensor<4xf32> -> tensor<4xbf16>
  %a = onnx.exp %w : tensor<4xf32> -> tensor<4xf32>
  train.backward_begin
  %b = onnx.mul %w, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %c = onnx.reshape %w : tensor<4xf32> -> tensor<2x2xf32>
  return %a, %b, %c, %n : tensor<4xf32>, tensor<4xf32>, tensor<2x2xf32>, tensor<4xbf16>
}
