// RUN: fsdp-opt %s --split-input-file --train-form-attention | FileCheck %s

// Tests that a constant mask that hides the columns after a row's own becomes
// `causal`, with scalars on both factors and the scores as the scale, and that
// the constant goes.
// CHECK-LABEL: func.func @causal
// CHECK-NOT: onnx.constant
// CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = onnx.attention %arg0, %arg1, %arg2 scale 1.250000e-01 {causal, scope = "h.0"}
// CHECK-NEXT: return %[[Y]]
func.func @causal(%q: tensor<1x2x2x4xf32>, %k: tensor<1x2x2x4xf32>, %v: tensor<1x2x2x3xf32>) -> tensor<1x2x2x3xf32> {
  %half = onnx.constant dense<0.5> : tensor<f32> : tensor<f32>
  %two = onnx.constant dense<2.0> : tensor<f32> : tensor<f32>
  %mask = onnx.constant dense<[[[[0.0, -3.4e38], [0.0, 0.0]]]]> : tensor<1x1x2x2xf32> : tensor<1x1x2x2xf32>
  %t = onnx.transpose %k [0, 1, 3, 2] : tensor<1x2x2x4xf32> -> tensor<1x2x4x2xf32>
  %a = onnx.mul %q, %half : tensor<1x2x2x4xf32>, tensor<f32> -> tensor<1x2x2x4xf32>
  %b = onnx.mul %half, %t : tensor<f32>, tensor<1x2x4x2xf32> -> tensor<1x2x4x2xf32>
  %s = onnx.matmul %a, %b : tensor<1x2x2x4xf32>, tensor<1x2x4x2xf32> -> tensor<1x2x2x2xf32>
  %d = onnx.div %s, %two : tensor<1x2x2x2xf32>, tensor<f32> -> tensor<1x2x2x2xf32>
  %m = onnx.add %mask, %d : tensor<1x1x2x2xf32>, tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %p = onnx.softmax %m {scope = "h.0"} : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %y = onnx.matmul %p, %v : tensor<1x2x2x2xf32>, tensor<1x2x2x3xf32> -> tensor<1x2x2x3xf32>
  return %y : tensor<1x2x2x3xf32>
}

// -----

// Tests that heads expanded for grouped queries are read where they are, with
// the transpose undone through the reshapes around it.
// CHECK-LABEL: func.func @grouped
// CHECK-NOT: onnx.expand
// CHECK-NOT: onnx.transpose
// CHECK: onnx.attention %arg0, %{{.*}}, %{{.*}} scale 1.000000e+00 : (tensor<2x4x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
func.func @grouped(%q: tensor<2x4x3x8xf32>, %k: tensor<2x2x1x5x8xf32>, %v: tensor<2x2x1x5x8xf32>) -> tensor<2x4x3x8xf32> {
  %ke = onnx.expand %k : tensor<2x2x1x5x8xf32> -> tensor<2x2x2x5x8xf32>
  %ve = onnx.expand %v : tensor<2x2x1x5x8xf32> -> tensor<2x2x2x5x8xf32>
  %vr = onnx.reshape %ve : tensor<2x2x2x5x8xf32> -> tensor<2x4x5x8xf32>
  %kr = onnx.reshape %ke : tensor<2x2x2x5x8xf32> -> tensor<8x5x8xf32>
  %kt = onnx.transpose %kr [0, 2, 1] : tensor<8x5x8xf32> -> tensor<8x8x5xf32>
  %kb = onnx.reshape %kt : tensor<8x8x5xf32> -> tensor<2x4x8x5xf32>
  %s = onnx.matmul %q, %kb : tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32> -> tensor<2x4x3x5xf32>
  %p = onnx.softmax %s : tensor<2x4x3x5xf32> -> tensor<2x4x3x5xf32>
  %y = onnx.matmul %p, %vr : tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32> -> tensor<2x4x3x8xf32>
  return %y : tensor<2x4x3x8xf32>
}

// -----

// Tests that k as [B, T, H, D] keeps one transpose, into [B, H, T, D].
// CHECK-LABEL: func.func @heads_last
// CHECK: %[[K:.*]] = onnx.transpose %arg1 [0, 2, 1, 3]
// CHECK: onnx.attention %arg0, %[[K]], %arg2
func.func @heads_last(%q: tensor<1x2x3x4xf32>, %k: tensor<1x3x2x4xf32>, %v: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %t = onnx.transpose %k [0, 2, 3, 1] : tensor<1x3x2x4xf32> -> tensor<1x2x4x3xf32>
  %s = onnx.matmul %q, %t : tensor<1x2x3x4xf32>, tensor<1x2x4x3xf32> -> tensor<1x2x3x3xf32>
  %p = onnx.softmax %s : tensor<1x2x3x3xf32> -> tensor<1x2x3x3xf32>
  %y = onnx.matmul %p, %v : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  return %y : tensor<1x2x3x4xf32>
}

// -----

// Tests that a mask that is computed, or hides anything but the columns after a
// row's own, stays an operand.
// CHECK-LABEL: func.func @other_masks
// CHECK: onnx.attention %arg0, %arg0, %arg0 mask %arg1 scale 1.000000e+00 :
// CHECK: %[[M:.*]] = onnx.constant dense<{{.*}}[0.000000e+00, 0.000000e+00], [0.000000e+00, -1.000000e+09]
// CHECK: onnx.attention %{{.*}} mask %[[M]] scale 1.000000e+00 :
func.func @other_masks(%q: tensor<1x1x2x4xf32>, %m: tensor<1x1x1x2xf32>) -> tensor<1x1x2x4xf32> {
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %a = onnx.add %s, %m : tensor<1x1x2x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x1x2x2xf32>
  %p = onnx.softmax %a : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  %other = onnx.constant dense<[[0.0, 0.0], [0.0, -1.0e9]]> : tensor<2x2xf32> : tensor<2x2xf32>
  %s2 = onnx.matmul %y, %y {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %a2 = onnx.add %s2, %other : tensor<1x1x2x2xf32>, tensor<2x2xf32> -> tensor<1x1x2x2xf32>
  %p2 = onnx.softmax %a2 : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y2 = onnx.matmul %p2, %y : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %y2 : tensor<1x1x2x4xf32>
}

// -----

// Tests that a constant choice between scores and a low number is a mask.
// CHECK-LABEL: func.func @choice
// CHECK: onnx.attention %arg0, %arg0, %arg0 scale 1.000000e+00 {causal}
func.func @choice(%q: tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %c = onnx.constant dense<[[true, false], [true, true]]> : tensor<2x2xi1> : tensor<2x2xi1>
  %low = onnx.constant dense<0xFF800000> : tensor<f32> : tensor<f32>
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %a = onnx.where %c, %s, %low : tensor<2x2xi1>, tensor<1x1x2x2xf32>, tensor<f32> -> tensor<1x1x2x2xf32>
  %p = onnx.softmax %a : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %y : tensor<1x1x2x4xf32>
}

// -----

// Tests that a choice that hides a whole row is left alone: all columns of that
// row are equal, which no added number says.
// CHECK-LABEL: func.func @hidden_row
// CHECK-NOT: onnx.attention
func.func @hidden_row(%q: tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %c = onnx.constant dense<[[false, false], [true, true]]> : tensor<2x2xi1> : tensor<2x2xi1>
  %low = onnx.constant dense<-1.0e9> : tensor<f32> : tensor<f32>
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %a = onnx.where %c, %s, %low : tensor<2x2xi1>, tensor<1x1x2x2xf32>, tensor<f32> -> tensor<1x1x2x2xf32>
  %p = onnx.softmax %a : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %y : tensor<1x1x2x4xf32>
}

// -----

// Tests that scores with another use are left alone.
// CHECK-LABEL: func.func @scores_used
// CHECK-NOT: onnx.attention
func.func @scores_used(%q: tensor<1x1x2x4xf32>) -> (tensor<1x1x2x4xf32>, tensor<1x1x2x2xf32>) {
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %p = onnx.softmax %s : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %y, %s : tensor<1x1x2x4xf32>, tensor<1x1x2x2xf32>
}

// -----

// Tests that probabilities with another use are left alone.
// CHECK-LABEL: func.func @probabilities_used
// CHECK-NOT: onnx.attention
func.func @probabilities_used(%q: tensor<1x1x2x4xf32>) -> (tensor<1x1x2x4xf32>, tensor<1x1x2x2xf32>) {
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %p = onnx.softmax %s : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %y, %p : tensor<1x1x2x4xf32>, tensor<1x1x2x2xf32>
}

// -----

// Tests that a mask that is trained is left alone: the op has no gradient for
// it.
// CHECK-LABEL: func.func @trained_mask
// CHECK-NOT: onnx.attention
onnx.parameter @bias : tensor<2x2xf32>
func.func @trained_mask(%q: tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %m = onnx.read @bias : tensor<2x2xf32>
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x2xf32>
  %a = onnx.add %s, %m : tensor<1x1x2x2xf32>, tensor<2x2xf32> -> tensor<1x1x2x2xf32>
  %p = onnx.softmax %a : tensor<1x1x2x2xf32> -> tensor<1x1x2x2xf32>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  return %y : tensor<1x1x2x4xf32>
}

// -----

// Tests that half precision is left alone: the kernels have f32 and f64.
// CHECK-LABEL: func.func @half
// CHECK-NOT: onnx.attention
func.func @half(%q: tensor<1x1x2x4xbf16>) -> tensor<1x1x2x4xbf16> {
  %s = onnx.matmul %q, %q {transB} : tensor<1x1x2x4xbf16>, tensor<1x1x2x4xbf16> -> tensor<1x1x2x2xbf16>
  %p = onnx.softmax %s : tensor<1x1x2x2xbf16> -> tensor<1x1x2x2xbf16>
  %y = onnx.matmul %p, %q : tensor<1x1x2x2xbf16>, tensor<1x1x2x4xbf16> -> tensor<1x1x2x4xbf16>
  return %y : tensor<1x1x2x4xbf16>
}
