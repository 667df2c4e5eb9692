// RUN: fsdp-opt %s --split-input-file --train-form-gelu | FileCheck %s

// Tests tanh as PyTorch models write it, with a power; inputs in any order.
// CHECK-LABEL: func.func @tanh
// CHECK-NEXT: %[[Y:.*]] = onnx.gelu %arg0 {scope = "act", tanh} : tensor<2x4xf32> -> tensor<2x4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @tanh(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %three = onnx.constant dense<3.0> : tensor<f32> : tensor<f32>
  %k = onnx.constant dense<4.471500e-02> : tensor<f32> : tensor<f32>
  %c = onnx.constant dense<0.797884583> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %h = onnx.mul %x, %half : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %p = onnx.pow %x, %three : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %kp = onnx.mul %p, %k : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %i = onnx.add %x, %kp : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %u = onnx.mul %c, %i : tensor<f32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %t = onnx.tanh %u : tensor<2x4xf32> -> tensor<2x4xf32>
  %o = onnx.add %t, %one : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %y = onnx.mul %h, %o {scope = "act"} : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Tests tanh as PyTorch decomposes F.gelu: the cube as products, 0.5 last; and a
// gate on it, which stays.
// CHECK-LABEL: func.func @gated_tanh
// CHECK-NEXT: %[[Y:.*]] = onnx.gelu %arg0 {tanh}
// CHECK-NEXT: %[[G:.*]] = onnx.mul %[[Y]], %arg1
// CHECK-NEXT: return %[[G]]
func.func @gated_tanh(%x: tensor<2x4xf32>, %gate: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %k = onnx.constant dense<4.471500e-02> : tensor<f32> : tensor<f32>
  %c = onnx.constant dense<0.797884583> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %p = onnx.mul %s, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %kp = onnx.mul %k, %p : tensor<f32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %i = onnx.add %kp, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %u = onnx.mul %i, %c : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %t = onnx.tanh %u : tensor<2x4xf32> -> tensor<2x4xf32>
  %o = onnx.add %one, %t : tensor<f32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %m = onnx.mul %o, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %y = onnx.mul %m, %half : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %g = onnx.mul %y, %gate : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %g : tensor<2x4xf32>
}

// -----

// Tests tanh with x before the bracket, as Hugging Face's gelu_fast has it.
// CHECK-LABEL: func.func @fast
// CHECK-NEXT: %[[Y:.*]] = onnx.gelu %arg0 {tanh}
// CHECK-NEXT: return %[[Y]]
func.func @fast(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %k = onnx.constant dense<4.471500e-02> : tensor<f32> : tensor<f32>
  %c = onnx.constant dense<0.797884583> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %cx = onnx.mul %x, %c : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %kx = onnx.mul %x, %k : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %kxx = onnx.mul %kx, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %i = onnx.add %kxx, %one : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %u = onnx.mul %cx, %i : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %t = onnx.tanh %u : tensor<2x4xf32> -> tensor<2x4xf32>
  %o = onnx.add %t, %one : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %h = onnx.mul %x, %half : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %y = onnx.mul %h, %o : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Tests erf: a quotient by sqrt 2; half of the sum first.
// CHECK-LABEL: func.func @erf
// CHECK-NEXT: %[[Y:.*]] = onnx.gelu %arg0 : tensor<2x4xf32> -> tensor<2x4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @erf(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %root = onnx.constant dense<1.41421354> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %u = onnx.div %x, %root : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %t = onnx.erf %u : tensor<2x4xf32> -> tensor<2x4xf32>
  %o = onnx.add %t, %one : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %h = onnx.mul %half, %o : tensor<f32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %y = onnx.mul %x, %h : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Tests that an erf which something else reads, and another number, stay.
// CHECK-LABEL: func.func @shared
// CHECK-NOT: onnx.gelu
// CHECK: return
func.func @shared(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %root = onnx.constant dense<0.707106769> : tensor<f32> : tensor<f32>
  %other = onnx.constant dense<0.7> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %u = onnx.mul %x, %root : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %t = onnx.erf %u : tensor<4xf32> -> tensor<4xf32>
  %o = onnx.add %t, %one : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %h = onnx.mul %half, %o : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %y = onnx.mul %x, %h : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %u2 = onnx.mul %x, %other : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %t2 = onnx.erf %u2 : tensor<4xf32> -> tensor<4xf32>
  %o2 = onnx.add %t2, %one : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %h2 = onnx.mul %half, %o2 : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %y2 = onnx.mul %x, %h2 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %y, %t, %y2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Tests that the bend of one value on another is no GELU.
// CHECK-LABEL: func.func @two_values
// CHECK-NOT: onnx.gelu
// CHECK: return
func.func @two_values(%x: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %root = onnx.constant dense<0.707106769> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %u = onnx.mul %z, %root : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %t = onnx.erf %u : tensor<4xf32> -> tensor<4xf32>
  %o = onnx.add %t, %one : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %h = onnx.mul %half, %o : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %y = onnx.mul %x, %h : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}
