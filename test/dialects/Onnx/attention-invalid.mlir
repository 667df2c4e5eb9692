// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that the operands have one element type and rank 4.
func.func @attention_c1(%q: tensor<2x3x4xf32>) {
  // expected-error @+2 {{(attention_c1)}}
  // expected-error @+1 {{failed to infer}}
  %y, %m, %s = onnx.attention %q, %q, %q scale 1.0 : (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>)
  return
}

// -----

// Tests that k and v have as many rows.
func.func @attention_c2(%q: tensor<1x2x3x4xf32>, %v: tensor<1x2x5x4xf32>) {
  // expected-error @+2 {{(attention_c2)}}
  // expected-error @+1 {{failed to infer}}
  %y, %m, %s = onnx.attention %q, %q, %v scale 1.0 : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>)
  return
}

// -----

// Tests that heads are shared evenly.
func.func @attention_c3(%q: tensor<1x3x3x4xf32>, %k: tensor<1x2x3x4xf32>) {
  // expected-error @+2 {{expected a multiple of k's heads in q (attention_c3)}}
  // expected-error @+1 {{failed to infer}}
  %y, %m, %s = onnx.attention %q, %k, %k scale 1.0 : (tensor<1x3x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) -> (tensor<1x3x3x4xf32>, tensor<1x3x3xf32>, tensor<1x3x3xf32>)
  return
}

// -----

// Tests that the mask has the scores' shape or broadcasts to it.
func.func @attention_c4(%q: tensor<1x2x3x4xf32>, %m: tensor<2x3xf32>) {
  // expected-error @+2 {{(attention_c4)}}
  // expected-error @+1 {{failed to infer}}
  %y, %a, %s = onnx.attention %q, %q, %q mask %m scale 1.0 : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<2x3xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>)
  return
}

// -----

// Tests that each row of a causal attention sees a column.
func.func @attention_c5(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x2x4xf32>) {
  // expected-error @+2 {{(attention_c5)}}
  // expected-error @+1 {{failed to infer}}
  %y, %m, %s = onnx.attention %q, %k, %k scale 1.0 {causal} : (tensor<1x2x3x4xf32>, tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>)
  return
}

// -----

// Tests that the gradient's saved values have the attention's types.
func.func @attention_grad_c1(%q: tensor<1x2x3x4xf32>, %m: tensor<1x2x4xf32>) {
  // expected-error @+1 {{operand type 'tensor<1x2x4xf32>' does not match the attention's result 'tensor<1x2x3xf32>' (attention_grad_c1)}}
  %dq, %dk, %dv = train.attention_grad %q, %q, %q saved %m, %m grad %q scale 1.0 : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x3x4xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>)
  return
}
