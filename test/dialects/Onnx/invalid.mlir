// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that each rule of the dialect rejects what breaks it.
onnx.parameter @w : tensor<2xf32>
func.func @read_type() {
  // expected-error @+1 {{result type 'tensor<3xf32>' does not match the parameter's 'tensor<2xf32>'}}
  %w = onnx.read @w : tensor<3xf32>
  return
}

// -----

func.func @read_nothing() {
  // expected-error @+1 {{reads 'w', which no onnx.parameter declares}}
  %w = onnx.read @w : tensor<3xf32>
  return
}

// -----

// expected-error @+1 {{at most one (parameter_c1)}}
onnx.parameter @parameter_c1 : tensor<2xf32> {source = {fill = 0.0}, init = {kind = "constant", value = 0.0}}

// -----

// expected-error @+1 {{expected a floating type (parameter_c2)}}
onnx.parameter @parameter_c2 : tensor<2xi64>

// -----

func.func @matmul_c2(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+2 {{contracted extents 3 and 4 differ (matmul_c2)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.matmul %a, %b : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @slice_outside(%x: tensor<4xf32>) {
  // expected-error @+1 {{reads elements 2 to 4 of 4}}
  %y = onnx.slice %x from [2] by [1] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @rms_normalization_scale(%x: tensor<2x4xf32>, %s: tensor<2xf32>) {
  // expected-error @+2 {{scale or bias of type 'tensor<2xf32>', expected 'tensor<4xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %r = onnx.rms_normalization %x, %s epsilon 1.0e-5 : (tensor<2x4xf32>, tensor<2xf32>) -> (tensor<2x4xf32>, tensor<2xf32>)
  return
}

// -----

// Tests that axes of a reduction are sorted (reduce_c1).
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes [1, 0] are not sorted and unique (reduce_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.reduce_sum %x [1, 0] keepdims false : tensor<2x3xf32> -> tensor<f32>
  return
}

// -----

// Tests that no axis is reduced twice (reduce_c1).
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes [1, 1] are not sorted and unique (reduce_c1)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.reduce_max %x [1, 1] keepdims false : tensor<2x3xf32> -> tensor<2xf32>
  return
}

// -----

// Tests that nothing sums i1 (reduce_c2).
func.func @f(%x: tensor<2x3xi1>) {
  // expected-error @+2 {{i1 has no sums: cast it (reduce_c2)}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.reduce_sum %x [1] keepdims false : tensor<2x3xi1> -> tensor<2xi1>
  return
}

// -----

// Tests that what is compared has one element type.
func.func @f(%x: tensor<2xf32>, %z: tensor<2xi64>) {
  // expected-error @+2 {{element types 'f32' and 'i64' differ}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.less %x, %z : tensor<2xf32>, tensor<2xi64> -> tensor<2xi1>
  return
}

// -----

// Tests that what is chosen from has one element type.
func.func @f(%c: tensor<2xi1>, %x: tensor<2xf32>, %z: tensor<2xi64>) {
  // expected-error @+2 {{element types 'f32' and 'i64' differ}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.where %c, %x, %z : tensor<2xi1>, tensor<2xf32>, tensor<2xi64> -> tensor<2xf32>
  return
}

// -----

// Tests that what is joined has one element type.
func.func @f(%x: tensor<2xf32>, %z: tensor<2xi64>) {
  // expected-error @+2 {{element types 'f32' and 'i64' differ}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = onnx.concat %x, %z axis 0 : tensor<2xf32>, tensor<2xi64> -> tensor<4xf32>
  return
}
