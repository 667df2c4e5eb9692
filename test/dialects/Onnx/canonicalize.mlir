// RUN: fsdp-opt %s --canonicalize --split-input-file | FileCheck %s

// Tests that a transposed weight becomes a flag of the product.
// CHECK-LABEL: func.func @weight
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>, %[[W:.*]]: tensor<3x4xf32>)
func.func @weight(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: onnx.matmul %[[X]], %[[W]] {scope = "fc", transB}
  %t = onnx.transpose %w [1, 0] : tensor<3x4xf32> -> tensor<4x3xf32>
  %y = onnx.matmul %x, %t {scope = "fc"} : tensor<2x4xf32>, tensor<4x3xf32> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// -----

// Tests that a transpose of what is transposed already takes the flag away.
// CHECK-LABEL: func.func @twice
// CHECK-SAME: (%[[X:.*]]: tensor<4x2xf32>, %[[W:.*]]: tensor<4x3xf32>)
func.func @twice(%x: tensor<4x2xf32>, %w: tensor<4x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: onnx.matmul %[[X]], %[[W]] {transA}
  %s = onnx.transpose %x [1, 0] : tensor<4x2xf32> -> tensor<2x4xf32>
  %t = onnx.transpose %w [1, 0] : tensor<4x3xf32> -> tensor<3x4xf32>
  %y = onnx.matmul %s, %t {transB} : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// -----

// Tests that only the last two dimensions count: heads are not moved.
// CHECK-LABEL: func.func @heads
func.func @heads(%q: tensor<2x3x4x5xf32>, %k: tensor<2x4x3x5xf32>) -> tensor<2x3x4x4xf32> {
  // CHECK: %[[K:.*]] = onnx.transpose %{{.*}} [0, 2, 3, 1]
  // CHECK: onnx.matmul %{{.*}}, %[[K]] :
  %t = onnx.transpose %k [0, 2, 3, 1] : tensor<2x4x3x5xf32> -> tensor<2x3x5x4xf32>
  %y = onnx.matmul %q, %t : tensor<2x3x4x5xf32>, tensor<2x3x5x4xf32> -> tensor<2x3x4x4xf32>
  return %y : tensor<2x3x4x4xf32>
}

// -----

// Tests that transposes compose, and that inverse ones vanish.
// CHECK-LABEL: func.func @composed
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>)
func.func @composed(%x: tensor<2x3x4xf32>) -> (tensor<4x3x2xf32>, tensor<2x3x4xf32>) {
  %a = onnx.transpose %x [1, 2, 0] : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  // CHECK: %[[B:.*]] = onnx.transpose %[[X]] [2, 1, 0]
  %b = onnx.transpose %a [1, 0, 2] : tensor<3x4x2xf32> -> tensor<4x3x2xf32>
  %c = onnx.transpose %a [2, 0, 1] : tensor<3x4x2xf32> -> tensor<2x3x4xf32>
  // CHECK: return %[[B]], %[[X]]
  return %b, %c : tensor<4x3x2xf32>, tensor<2x3x4xf32>
}

// -----

// Tests that reshapes compose.
// CHECK-LABEL: func.func @reshapes
// CHECK-SAME: (%[[X:.*]]: tensor<2x6xf32>)
func.func @reshapes(%x: tensor<2x6xf32>) -> (tensor<3x4xf32>, tensor<2x6xf32>) {
  %a = onnx.reshape %x : tensor<2x6xf32> -> tensor<12xf32>
  // CHECK: %[[B:.*]] = onnx.reshape %[[X]] : tensor<2x6xf32> -> tensor<3x4xf32>
  %b = onnx.reshape %a : tensor<12xf32> -> tensor<3x4xf32>
  %c = onnx.reshape %a : tensor<12xf32> -> tensor<2x6xf32>
  // CHECK: return %[[B]], %[[X]]
  return %b, %c : tensor<3x4xf32>, tensor<2x6xf32>
}
