// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that each rule of gathers, scatters, top_k and cumsum rejects what
// breaks it.
func.func @gather_c1(%t: tensor<2x4xf32>, %i: tensor<3x5xi64>) {
  // expected-error @+2 {{do not agree in their first 1 extents, or the table has no more (gather_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.gather %t, %i {batch_dims = 1 : i64} : tensor<2x4xf32>, tensor<3x5xi64> -> tensor<3x5xf32>
  return
}

// -----

func.func @gather_c2(%t: tensor<2x4xf32>, %i: tensor<2x5xi64>) {
  // expected-error @+2 {{has both padding_idx and batch_dims (gather_c2)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.gather %t, %i {batch_dims = 1 : i64, padding_idx = 0 : i64} : tensor<2x4xf32>, tensor<2x5xi64> -> tensor<2x5xf32>
  return
}

// -----

func.func @scatter_c1(%x: tensor<f32>, %i: tensor<3xi64>, %u: tensor<3xf32>) {
  // expected-error @+2 {{do not agree in their first 0 extents, or the table has no more (scatter_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.scatter %x, %i, %u : tensor<f32>, tensor<3xi64>, tensor<3xf32> -> tensor<f32>
  return
}

// -----

func.func @scatter_c2(%x: tensor<4x2xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>) {
  // expected-error @+2 {{updates of type 'tensor<3xf32>', expected 'tensor<3x2xf32>' (scatter_c2)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.scatter %x, %i, %u : tensor<4x2xf32>, tensor<3xi64>, tensor<3xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @top_k_c1(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{takes 4 elements along the last axis of 'tensor<2x3xf32>' (top_k_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %v, %i = onnx.top_k %x k 4 : tensor<2x3xf32> -> tensor<2x4xf32>, tensor<2x4xi64>
  return
}

// -----

func.func @cumsum_c1(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axis 2 is not in [0, 2) (cumsum_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.cumsum %x axis 2 : tensor<2x3xf32> -> tensor<2x3xf32>
  return
}
