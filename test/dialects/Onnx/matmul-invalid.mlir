// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that each rule of onnx.matmul rejects what breaks it.
func.func @matmul_c1_rank(%a: tensor<3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @+2 {{must have rank >= 2 and one element type (matmul_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.matmul %a, %b : tensor<3xf32>, tensor<3x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @matmul_c1_type(%a: tensor<2x3xf32>, %b: tensor<3x4xf64>) {
  // expected-error @+2 {{must have rank >= 2 and one element type (matmul_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.matmul %a, %b : tensor<2x3xf32>, tensor<3x4xf64> -> tensor<2x4xf32>
  return
}

// -----

// Tests that the transposition counts.
func.func @matmul_c2_transposed(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @+2 {{contracted extents 3 and 4 differ (matmul_c2)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.matmul %a, %b {transB} : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @matmul_c3(%a: tensor<2x2x3xf32>, %b: tensor<3x3x4xf32>) {
  // expected-error @+2 {{do not broadcast (matmul_c3)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.matmul %a, %b : tensor<2x2x3xf32>, tensor<3x3x4xf32> -> tensor<2x2x4xf32>
  return
}

// -----

func.func @result_type(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<2x4xf32>' are incompatible with return type(s) of operation 'tensor<4x2xf32>'}}
  %y = onnx.matmul %a, %b : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<4x2xf32>
  return
}
