// RUN: fsdp-opt %s --split-input-file --train-form-norms | FileCheck %s

// Tests the form that dynamo exports: a power and a reciprocal.
// CHECK-LABEL: func.func @dynamo
// CHECK-NEXT: %[[Y:.*]], %{{.*}} = onnx.rms_normalization %arg0, %arg1 epsilon 9.99{{.*}}E-7 {scope = "norm"} : (tensor<2x3x4xf32>, tensor<4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>)
// CHECK-NEXT: return %[[Y]]
func.func @dynamo(%x: tensor<2x3x4xf32>, %w: tensor<4xf32>) -> tensor<2x3x4xf32> {
  %eps = onnx.constant dense<9.99999997E-7> : tensor<f32> : tensor<f32>
  %two = onnx.constant dense<2.0> : tensor<f32> : tensor<f32>
  %s = onnx.pow %x, %two : tensor<2x3x4xf32>, tensor<f32> -> tensor<2x3x4xf32>
  %m = onnx.reduce_mean %s [2] keepdims true : tensor<2x3x4xf32> -> tensor<2x3x1xf32>
  %e = onnx.add %m, %eps : tensor<2x3x1xf32>, tensor<f32> -> tensor<2x3x1xf32>
  %q = onnx.sqrt %e : tensor<2x3x1xf32> -> tensor<2x3x1xf32>
  %r = onnx.reciprocal %q : tensor<2x3x1xf32> -> tensor<2x3x1xf32>
  %h = onnx.mul %x, %r : tensor<2x3x4xf32>, tensor<2x3x1xf32> -> tensor<2x3x4xf32>
  %y = onnx.mul %w, %h {scope = "norm"} : tensor<4xf32>, tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// -----

// Tests the form of the older exporter: a quotient of 1; the scale on the right.
// CHECK-LABEL: func.func @legacy
// CHECK-NEXT: onnx.rms_normalization %arg0, %arg1 epsilon
// CHECK-NEXT: return
func.func @legacy(%x: tensor<3x4xf32>, %w: tensor<4xf32>) -> tensor<3x4xf32> {
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %m = onnx.reduce_mean %s [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e = onnx.add %eps, %m : tensor<f32>, tensor<3x1xf32> -> tensor<3x1xf32>
  %q = onnx.sqrt %e : tensor<3x1xf32> -> tensor<3x1xf32>
  %r = onnx.div %one, %q : tensor<f32>, tensor<3x1xf32> -> tensor<3x1xf32>
  %h = onnx.mul %r, %x : tensor<3x1xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %y = onnx.mul %h, %w : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// -----

// Tests x over the root, and the root as a power.
// CHECK-LABEL: func.func @quotient_and_power
// CHECK-NEXT: %[[Y:.*]], %{{.*}} = onnx.rms_normalization %arg0, %arg1 epsilon
// CHECK-NEXT: onnx.rms_normalization %[[Y]], %arg1 epsilon
// CHECK-NEXT: return
func.func @quotient_and_power(%x: tensor<3x4xf32>, %w: tensor<4xf32>) -> tensor<3x4xf32> {
  %power = onnx.constant dense<-0.5> : tensor<f32> : tensor<f32>
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %m = onnx.reduce_mean %s [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e = onnx.add %m, %eps : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %q = onnx.sqrt %e : tensor<3x1xf32> -> tensor<3x1xf32>
  %h = onnx.div %x, %q : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xf32>
  %y = onnx.mul %h, %w : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  %s2 = onnx.mul %y, %y : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %m2 = onnx.reduce_mean %s2 [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e2 = onnx.add %m2, %eps : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %r2 = onnx.pow %e2, %power : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %h2 = onnx.mul %y, %r2 : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xf32>
  %z = onnx.mul %h2, %w : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return %z : tensor<3x4xf32>
}

// -----

// Tests that parts which something else reads, another mean, another power and
// the square of another value are left alone.
// CHECK-LABEL: func.func @read_elsewhere
// CHECK-NOT: onnx.rms_normalization
func.func @read_elsewhere(%x: tensor<3x4xf32>, %w: tensor<4xf32>) -> (tensor<3x4xf32>, tensor<3x1xf32>) {
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %m = onnx.reduce_mean %s [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e = onnx.add %m, %eps : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %q = onnx.sqrt %e : tensor<3x1xf32> -> tensor<3x1xf32>
  %h = onnx.div %x, %q : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xf32>
  %y = onnx.mul %h, %w : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return %y, %q : tensor<3x4xf32>, tensor<3x1xf32>
}

// CHECK-LABEL: func.func @over_columns
// CHECK-NOT: onnx.rms_normalization
func.func @over_columns(%x: tensor<4x4xf32>, %w: tensor<4xf32>) -> tensor<4x4xf32> {
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %m = onnx.reduce_mean %s [0] keepdims true : tensor<4x4xf32> -> tensor<1x4xf32>
  %e = onnx.add %m, %eps : tensor<1x4xf32>, tensor<f32> -> tensor<1x4xf32>
  %q = onnx.sqrt %e : tensor<1x4xf32> -> tensor<1x4xf32>
  %h = onnx.div %x, %q : tensor<4x4xf32>, tensor<1x4xf32> -> tensor<4x4xf32>
  %y = onnx.mul %h, %w : tensor<4x4xf32>, tensor<4xf32> -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// CHECK-LABEL: func.func @cubes
// CHECK-NOT: onnx.rms_normalization
func.func @cubes(%x: tensor<3x4xf32>, %w: tensor<4xf32>) -> tensor<3x4xf32> {
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %three = onnx.constant dense<3.0> : tensor<f32> : tensor<f32>
  %s = onnx.pow %x, %three : tensor<3x4xf32>, tensor<f32> -> tensor<3x4xf32>
  %m = onnx.reduce_mean %s [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e = onnx.add %m, %eps : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %q = onnx.sqrt %e : tensor<3x1xf32> -> tensor<3x1xf32>
  %h = onnx.div %x, %q : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xf32>
  %y = onnx.mul %h, %w : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @other_square
// CHECK-NOT: onnx.rms_normalization
func.func @other_square(%x: tensor<3x4xf32>, %o: tensor<3x4xf32>, %w: tensor<4xf32>) -> tensor<3x4xf32> {
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %s = onnx.mul %o, %o : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %m = onnx.reduce_mean %s [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e = onnx.add %m, %eps : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %q = onnx.sqrt %e : tensor<3x1xf32> -> tensor<3x1xf32>
  %h = onnx.div %x, %q : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xf32>
  %y = onnx.mul %h, %w : tensor<3x4xf32>, tensor<4xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Tests that a scale of another shape is left alone: its gradient has that
// shape.
// CHECK-LABEL: func.func @scale_a_row
// CHECK-NOT: onnx.rms_normalization
func.func @scale_a_row(%x: tensor<3x4xf32>, %w: tensor<1x4xf32>) -> tensor<3x4xf32> {
  %eps = onnx.constant dense<1.0e-5> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %m = onnx.reduce_mean %s [1] keepdims true : tensor<3x4xf32> -> tensor<3x1xf32>
  %e = onnx.add %m, %eps : tensor<3x1xf32>, tensor<f32> -> tensor<3x1xf32>
  %q = onnx.sqrt %e : tensor<3x1xf32> -> tensor<3x1xf32>
  %h = onnx.div %x, %q : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xf32>
  %y = onnx.mul %h, %w : tensor<3x4xf32>, tensor<1x4xf32> -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
