// RUN: fsdp-opt %s --train-build-evaluation --split-input-file --verify-diagnostics | FileCheck %s

// Tests that what evaluates returns the sum of the losses and the number of
// valid labels of all ranks, reads each parameter once and stops no gradient,
// and that the step stays as it is.
// CHECK-LABEL: func.func @evaluate(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<2x3x4xf32>{{.*}}, %[[LABELS:[a-z0-9]*]]: tensor<2x3xi64>
// CHECK-SAME: -> (tensor<f32> {train.role = "eval_loss_sum"}, tensor<f32> {train.role = "eval_tokens"})
// CHECK: %[[W:.*]] = onnx.read @w
// CHECK-NOT: {{onnx.read|stop_gradient|softmax_cross_entropy_loss}}
// CHECK: %[[LOGITS:.*]] = onnx.matmul
// CHECK: %[[OWN:.*]] = train.count_valid %[[LABELS]] ignore -100
// CHECK: %[[COUNT:.*]] = train.sum_over_ranks %[[OWN]]
// CHECK: %[[LOSSES:.*]], %{{.*}} = train.cross_entropy %[[LOGITS]], %[[LABELS]] ignore -100
// CHECK: %[[PART:.*]] = onnx.reduce_sum %[[LOSSES]] [0, 1] keepdims false
// CHECK: %[[SUM:.*]] = train.sum_over_ranks %[[PART]]
// CHECK: return %[[SUM]], %[[COUNT]]
// CHECK-LABEL: func.func @step(
// CHECK-COUNT-2: onnx.read @w
// CHECK: onnx.stop_gradient
// CHECK: onnx.softmax_cross_entropy_loss
onnx.parameter @w : tensor<4x16xf32>
func.func @step(%x: tensor<2x3x4xf32> {train.role = "tokens"}, %labels: tensor<2x3xi64> {train.role = "labels"}) -> tensor<f32> {
  %a = onnx.read @w : tensor<4x16xf32>
  %b = onnx.read @w : tensor<4x16xf32>
  %w = onnx.add %a, %b : tensor<4x16xf32>, tensor<4x16xf32> -> tensor<4x16xf32>
  %stopped = onnx.stop_gradient %w : tensor<4x16xf32>
  %logits = onnx.matmul %x, %stopped : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that a step without a loss is refused.
// expected-error @+1 {{'step' has no loss to evaluate: run --train-attach-loss, and this before --train-build-backward}}
func.func @step(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
