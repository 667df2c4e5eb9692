// RUN: fsdp-opt %s --train-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that a good step passes: the programs below differ from it by the one
// thing that their rule forbids.
onnx.parameter @w : tensor<4xf32>
onnx.parameter @frozen : tensor<4xf32> {frozen}
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %g = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that an unknown operator is rejected.
onnx.parameter @w : tensor<4xf32>
func.func @train_v1(%x: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{'Mystery' is not supported (train_v1)}}
  %g = onnx.node "Mystery"(%x) {domain = "", version = 18 : i64, node_name = "n", node_attributes = {}} : (tensor<4xf32>) -> tensor<4xf32>
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a gradient which nothing consumes is rejected.
onnx.parameter @w : tensor<4xf32>
func.func @train_v2(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %g = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  // expected-error @+1 {{is not consumed by an update (train_v2)}}
  train.gradient @w, %g : tensor<4xf32>
  return
}

// -----

// Tests that a second update of a parameter is rejected.
onnx.parameter @w : tensor<4xf32>
func.func @train_v3_twice(%g: tensor<4xf32>, %lr: tensor<f32>) {
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  // expected-error @+1 {{updates 'w' a second time (train_v3)}}
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that an update of a frozen parameter is rejected.
onnx.parameter @w : tensor<4xf32> {frozen}
func.func @train_v3_frozen(%g: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{updates 'w', which is not a trainable parameter (train_v3)}}
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that an update of something undeclared is rejected.
func.func @train_v3_undeclared(%g: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{updates 'w', which is not a trainable parameter (train_v3)}}
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that what is computed again may stand behind a barrier, in backward.
func.func @recomputed(%x: tensor<4xf32>) {
  train.backward_begin
  %b = train.barrier %x : tensor<4xf32> -> tensor<4xf32>
  %y = onnx.exp %b {train.recomputed} : tensor<4xf32> -> tensor<4xf32>
  %z = onnx.exp %y {train.recomputed} : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// Tests that a barrier before backward is rejected, also after a function with
// backward.
func.func @before(%x: tensor<4xf32>) {
  train.backward_begin
  return
}
func.func @train_v4_barrier(%x: tensor<4xf32>) {
  // expected-error @+1 {{stands before backward, which is to compute it again (train_v4)}}
  %b = train.barrier %x : tensor<4xf32> -> tensor<4xf32>
  train.backward_begin
  return
}

// -----

// Tests that what forward computes is rejected as computed again.
func.func @train_v4_forward(%x: tensor<4xf32>) {
  // expected-error @+1 {{stands before backward, which is to compute it again (train_v4)}}
  %y = onnx.exp %x {train.recomputed} : tensor<4xf32> -> tensor<4xf32>
  train.backward_begin
  return
}

// -----

// Tests that what reads first values, which CSE would merge with the first
// result, is rejected.
func.func @train_v4_no_barrier(%x: tensor<4xf32>) {
  train.backward_begin
  // expected-error @+1 {{is computed again from values that no barrier keeps apart (train_v4)}}
  %y = onnx.exp %x {train.recomputed} : tensor<4xf32> -> tensor<4xf32>
  return
}
