// RUN: fsdp-opt %s --train-attach-loss --split-input-file --verify-diagnostics | FileCheck %s

// Tests that the loss inside the model is used, that other outputs go, and
// that labels which reach it unmoved are shifted by the data.
// CHECK: module attributes {train.ignore_index = -100 : i64, train.labels_shift = "data"
// CHECK: func.func @step(
// CHECK-SAME: -> (tensor<f32> {train.role = "loss"})
// CHECK: %[[LOSS:.*]] = onnx.softmax_cross_entropy_loss
// CHECK: return %[[LOSS]] : tensor<f32>
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %labels: tensor<2x3xi64> {onnx.name = "labels"},
                   %l: tensor<2x3x16xf32> {train.role = "other"})
    -> (tensor<f32> {onnx.name = "loss"}, tensor<2x3x16xf32> {onnx.name = "logits"}) {
  %loss = onnx.softmax_cross_entropy_loss %l, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss, %l : tensor<f32>, tensor<2x3x16xf32>
}

// -----

// Tests that labels which the graph moves are shifted by the model.
// CHECK: module attributes {train.ignore_index = -100 : i64, train.labels_shift = "model"
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %labels: tensor<2x3xi64> {onnx.name = "labels"},
                   %l: tensor<2x2x16xf32> {train.role = "other"})
    -> (tensor<f32> {onnx.name = "loss"}) {
  %next = onnx.slice %labels from [0, 1] by [1, 1] : tensor<2x3xi64> -> tensor<2x2xi64>
  %loss = onnx.softmax_cross_entropy_loss %l, %next ignore -100 : tensor<2x2x16xf32>, tensor<2x2xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that a loss of another kind is named.
// expected-error @+1 {{output 'loss' is a 'onnx.mul', not a mean cross entropy, the only loss that is supported: return that, or export the model without labels and give --loss cross_entropy}}
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %l: tensor<6x16xf32>, %labels: tensor<6xi64>, %half: tensor<f32>)
    -> (tensor<6x16xf32> {onnx.name = "logits"}, tensor<f32> {onnx.name = "loss"}) {
  %loss = onnx.softmax_cross_entropy_loss %l, %labels ignore -100 : tensor<6x16xf32>, tensor<6xi64> -> tensor<f32>
  %part = onnx.mul %loss, %half : tensor<f32>, tensor<f32> -> tensor<f32>
  return %l, %part : tensor<6x16xf32>, tensor<f32>
}

// -----

// Tests that a model without a loss is refused.
// expected-error @+1 {{the model returns no loss: give --loss cross_entropy, or export it with labels}}
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %l: tensor<2x3x16xf32>) -> (tensor<2x3x16xf32> {onnx.name = "logits"}) {
  return %l : tensor<2x3x16xf32>
}
