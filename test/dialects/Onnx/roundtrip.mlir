// RUN: fsdp-opt %s -o %t.mlir && FileCheck %s < %t.mlir
// RUN: fsdp-opt %t.mlir | diff %t.mlir -
// RUN: fsdp-opt %s --mlir-print-op-generic | fsdp-opt | diff %t.mlir -

// Tests that printing and parsing give the same program, in the custom and in
// the generic form.
// CHECK: onnx.parameter @h.0.w : tensor<4x4xf32> {aliases = ["head.w"], init = {kind = "normal"
// CHECK: onnx.parameter @h.0.b : tensor<4xf32> {frozen, source = {bytes = 16 : i64, file = "m.onnx", offset = 64 : i64}}
// CHECK: onnx.parameter @mask : tensor<2xi64> {buffer, data = dense<[0, 1]> : tensor<2xi64>}
onnx.parameter @"h.0.w" : tensor<4x4xf32> {aliases = ["head.w"], init = {kind = "normal", mean = 0.0, std = 0.02}}
onnx.parameter @"h.0.b" : tensor<4xf32> {frozen, source = {file = "m.onnx", offset = 64 : i64, bytes = 16 : i64}}
onnx.parameter @mask : tensor<2xi64> {buffer, data = dense<[0, 1]> : tensor<2xi64>}

// CHECK-LABEL: func.func @reads
// CHECK: onnx.read @h.0.w {scope = "h.0"} : tensor<4x4xf32>
// CHECK: onnx.constant dense<1.000000e+00> : tensor<f32> : tensor<f32>
func.func @reads() -> (tensor<4x4xf32>, tensor<f32>) {
  %w = onnx.read @"h.0.w" {scope = "h.0"} : tensor<4x4xf32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  return %w, %one : tensor<4x4xf32>, tensor<f32>
}

// CHECK-LABEL: func.func @math
// CHECK: onnx.gelu %{{.*}} {tanh} : tensor<4xf32> -> tensor<4xf32>
// CHECK: onnx.add %{{.*}}, %{{.*}} : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
// CHECK: onnx.greater_or_equal
// CHECK: onnx.where
func.func @math(%x: tensor<4xf32>, %y: tensor<2x1xf32>) -> tensor<2x4xf32> {
  %g = onnx.gelu %x {tanh} : tensor<4xf32> -> tensor<4xf32>
  %s = onnx.add %y, %g : tensor<2x1xf32>, tensor<4xf32> -> tensor<2x4xf32>
  %c = onnx.greater_or_equal %s, %x : tensor<2x4xf32>, tensor<4xf32> -> tensor<2x4xi1>
  %w = onnx.where %c, %s, %x : tensor<2x4xi1>, tensor<2x4xf32>, tensor<4xf32> -> tensor<2x4xf32>
  return %w : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @tensors
// CHECK: onnx.transpose %{{.*}} [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
// CHECK: onnx.slice %{{.*}} from [2, 0] by [-1, 1] : tensor<4x2xf32> -> tensor<3x2xf32>
// CHECK: onnx.pad %{{.*}} at [1, 0] by [1, 1] value 0.000000e+00 : tensor<3x2xf32> -> tensor<5x2xf32>
// CHECK: onnx.concat %{{.*}}, %{{.*}} axis 1
// CHECK: onnx.split %{{.*}} axis 1 : tensor<5x4xf32> -> tensor<5x1xf32>, tensor<5x3xf32>
// CHECK: onnx.gather %{{.*}}, %{{.*}} {padding_idx = 3 : i64}
// CHECK: onnx.reduce_sum %{{.*}} [1] keepdims true : tensor<2x3xf32> -> tensor<2x1xf32>
func.func @tensors(%x: tensor<2x4xf32>, %i: tensor<2xi64>) -> tensor<2x1xf32> {
  %t = onnx.transpose %x [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
  %s = onnx.slice %t from [2, 0] by [-1, 1] : tensor<4x2xf32> -> tensor<3x2xf32>
  %p = onnx.pad %s at [1, 0] by [1, 1] value 0.0 : tensor<3x2xf32> -> tensor<5x2xf32>
  %c = onnx.concat %p, %p axis 1 : tensor<5x2xf32>, tensor<5x2xf32> -> tensor<5x4xf32>
  %parts:2 = onnx.split %c axis 1 : tensor<5x4xf32> -> tensor<5x1xf32>, tensor<5x3xf32>
  %g = onnx.gather %parts#1, %i {padding_idx = 3 : i64} : tensor<5x3xf32>, tensor<2xi64> -> tensor<2x3xf32>
  %r = onnx.reduce_sum %g [1] keepdims true : tensor<2x3xf32> -> tensor<2x1xf32>
  return %r : tensor<2x1xf32>
}

// CHECK-LABEL: func.func @nn
// CHECK: onnx.matmul %{{.*}}, %{{.*}} {transB} : tensor<3x2x4xf32>, tensor<5x4xf32> -> tensor<3x2x5xf32>
// CHECK: onnx.softmax
// CHECK: onnx.rms_normalization %{{.*}}, %{{.*}} epsilon 1.000000e-05 : (tensor<3x2x5xf32>, tensor<5xf32>) -> (tensor<3x2x5xf32>, tensor<3x2xf32>)
// CHECK: onnx.node "Mystery"(%{{.*}}) {domain = "com.example"
func.func @nn(%x: tensor<3x2x4xf32>, %w: tensor<5x4xf32>) -> tensor<3x2x5xf32> {
  %y = onnx.matmul %x, %w {transB} : tensor<3x2x4xf32>, tensor<5x4xf32> -> tensor<3x2x5xf32>
  %p = onnx.softmax %y : tensor<3x2x5xf32> -> tensor<3x2x5xf32>
  %gain = onnx.constant dense<2.0> : tensor<5xf32> : tensor<5xf32>
  %norm, %rstd = onnx.rms_normalization %p, %gain epsilon 1.0e-5 : (tensor<3x2x5xf32>, tensor<5xf32>) -> (tensor<3x2x5xf32>, tensor<3x2xf32>)
  %n = onnx.node "Mystery"(%p) {domain = "com.example", version = 1 : i64, node_name = "n", node_attributes = {k = 1 : i64}} : (tensor<3x2x5xf32>) -> tensor<3x2x5xf32>
  return %n : tensor<3x2x5xf32>
}
