// RUN: fsdp-opt %s --train-narrow-saved --split-input-file --verify-diagnostics | FileCheck %s

// Tests that backward reads the value that forward rounded, widened where it is
// first read; that a statistic, an input and a parameter, which is rounded as it
// is gathered, stay.
// CHECK-LABEL: func.func @step(
// CHECK: %[[Y:.*]] = onnx.tanh
// CHECK: %[[N:.*]] = onnx.cast %[[Y]] : tensor<4xf32> -> tensor<4xbf16>
// CHECK: %[[S:.*]] = onnx.reduce_sum
// CHECK: onnx.neg %[[Y]]
// CHECK: train.backward_begin
// CHECK-NEXT: onnx.exp %arg0
// CHECK-NEXT: %[[WIDE:.*]] = onnx.cast %[[N]] : tensor<4xbf16> -> tensor<4xf32>
// CHECK-NEXT: onnx.mul %[[WIDE]], %[[WIDE]]
// CHECK-NEXT: onnx.mul %{{.*}}, %[[S]]
// CHECK-NEXT: onnx.mul %{{.*}}, %[[P:.*]] :
onnx.parameter @p : tensor<4xf32>
func.func @step(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xbf16>, tensor<4xbf16>, tensor<4xf32>) {
  %p = onnx.read @p : tensor<4xf32>
  %pn = onnx.cast %p : tensor<4xf32> -> tensor<4xbf16>
  %y = onnx.tanh %x : tensor<4xf32> -> tensor<4xf32>
  %n = onnx.cast %y : tensor<4xf32> -> tensor<4xbf16>
  %s = onnx.reduce_sum %x [0] keepdims true : tensor<4xf32> -> tensor<1xf32>
  %m = onnx.neg %y : tensor<4xf32> -> tensor<4xf32>
  %xn = onnx.cast %x : tensor<4xf32> -> tensor<4xbf16>
  train.backward_begin
  %e = onnx.exp %x : tensor<4xf32> -> tensor<4xf32>
  %a = onnx.mul %y, %y : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %b = onnx.mul %a, %s : tensor<4xf32>, tensor<1xf32> -> tensor<4xf32>
  %c = onnx.mul %b, %p : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %c, %m, %pn, %xn, %e : tensor<4xf32>, tensor<4xf32>, tensor<4xbf16>, tensor<4xbf16>, tensor<4xf32>
}

// -----

// expected-error @+1 {{'step' has no backward: run --train-build-backward}}
func.func @step() {
  return
}
