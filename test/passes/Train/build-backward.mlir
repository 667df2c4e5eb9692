// RUN: fsdp-opt %s --train-build-backward --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,GLOBAL
// RUN: fsdp-opt %s --train-build-backward=loss-mean=rank --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,RANK

// Tests that the loss is scaled by a seed from the valid labels of all ranks
// and microbatches, which @count counts before the first of several, that the
// loss is summed up over them, and that a trainable parameter gets its gradient
// and a frozen one none.
// CHECK-DAG: train.state @loss : tensor<f32>
// CHECK-DAG: train.state @valid_tokens : tensor<f32>
// CHECK-LABEL: func.func @count(
// CHECK-SAME: %[[COUNTED:[a-z0-9]*]]: tensor<2x3xi64>, %[[NUMBER:[a-z0-9]*]]: tensor<f32> {train.role = "microbatch"})
// CHECK: %[[VALID:.*]] = train.count_valid %[[COUNTED]] ignore -100
// CHECK-NEXT: train.accumulate @valid_tokens, %[[VALID]] at %[[NUMBER]]
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[IDS:[a-z0-9]*]]: tensor<2x3xi64>, %[[LABELS:[a-z0-9]*]]: tensor<2x3xi64>, %[[COUNT:[a-z0-9]*]]: tensor<f32> {train.role = "microbatches"}, %[[AT:[a-z0-9]*]]: tensor<f32> {train.role = "microbatch"})
// CHECK-SAME: -> (tensor<f32> {train.role = "loss"}, tensor<f32> {train.role = "valid_tokens"})
// CHECK: %[[WTE:.*]] = onnx.read @wte
// CHECK: %[[W:.*]] = onnx.read @h.0.w
// CHECK: %[[X:.*]] = onnx.gather %[[WTE]], %[[IDS]]
// CHECK: %[[LOGITS:.*]] = onnx.matmul %[[X]], %[[W]]
// CHECK: %[[FEW:.*]] = train.count_valid %[[LABELS]] ignore -100
// CHECK: %[[LOCAL:.*]] = train.total @valid_tokens, %[[FEW]] of %[[COUNT]]
// CHECK: %[[N:.*]] = train.sum_over_ranks %[[LOCAL]]
// GLOBAL: %[[SEED:.*]] = onnx.reciprocal %[[N]]
// RANK: %[[ONE:.*]] = onnx.constant dense<1.000000e+00>
// RANK: %[[OWN:.*]] = onnx.max %[[LOCAL]], %[[ONE]]
// RANK: %[[RANKS:.*]] = train.rank_count
// RANK: %[[DIVISOR:.*]] = onnx.mul %[[OWN]], %[[RANKS]]
// RANK: %[[SEED:.*]] = onnx.reciprocal %[[DIVISOR]]
// CHECK: %[[LOSSES:.*]], %[[LSE:.*]] = train.cross_entropy %[[LOGITS]], %[[LABELS]] ignore -100
// CHECK: %[[SUM:.*]] = onnx.reduce_sum %[[LOSSES]] [0, 1] keepdims false
// CHECK: %[[MEAN:.*]] = onnx.mul %[[SUM]], %[[SEED]]
// CHECK: %[[PART:.*]] = train.sum_over_ranks %[[MEAN]]
// CHECK: %[[LOSS:.*]] = train.accumulate @loss, %[[PART]] at %[[AT]]
// CHECK: train.backward_begin
// CHECK: train.cross_entropy_grad %[[LOGITS]], %[[LABELS]], %[[LSE]], %[[SEED]] ignore -100
// CHECK-NOT: train.gather_grad
// CHECK: %[[DW:.*]] = onnx.matmul {{.*}}transA
// CHECK-NEXT: train.gradient @h.0.w, %[[DW]] : tensor<4x16xf32>
// CHECK-NOT: train.gradient
// CHECK: return %[[LOSS]], %[[N]]
onnx.parameter @wte : tensor<16x4xf32> {frozen}
onnx.parameter @"h.0.w" : tensor<4x16xf32>
func.func @step(%ids: tensor<2x3xi64>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  %wte = onnx.read @wte : tensor<16x4xf32>
  %x = onnx.gather %wte, %ids {scope = "wte"} : tensor<16x4xf32>, tensor<2x3xi64> -> tensor<2x3x4xf32>
  %w = onnx.read @"h.0.w" : tensor<4x16xf32>
  %logits = onnx.matmul %x, %w {scope = "h.0"} : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 {scope = "loss"} : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that two uses of one parameter are one read and that their gradients
// meet in one sum before anything else sees them.
// CHECK-LABEL: func.func @step(
// CHECK-COUNT-1: onnx.read @wte
// CHECK-NOT: onnx.read
// CHECK: train.backward_begin
// CHECK: %[[FROM_GATHER:.*]] = train.gather_grad
// CHECK: %[[SUM:.*]] = onnx.add %{{.*}}, %[[FROM_GATHER]]
// CHECK-NEXT: train.gradient @wte, %[[SUM]]
// CHECK-NOT: train.gradient
onnx.parameter @wte : tensor<16x4xf32>
func.func @step(%ids: tensor<2x3xi64>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  %wte = onnx.read @wte : tensor<16x4xf32>
  %x = onnx.gather %wte, %ids {scope = "wte"} : tensor<16x4xf32>, tensor<2x3xi64> -> tensor<2x3x4xf32>
  %again = onnx.read @wte : tensor<16x4xf32>
  %logits = onnx.matmul %x, %again {transB, scope = "head"} : tensor<2x3x4xf32>, tensor<16x4xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 {scope = "loss"} : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that the gradient of relu is read from its result, which the gradient
// of the next product reads as well: its argument has no use in backward.
// CHECK-LABEL: func.func @step(
// CHECK: %[[X:.*]] = onnx.add
// CHECK: %[[Y:.*]] = onnx.relu %[[X]]
// CHECK-NOT: %[[X]] :
// CHECK-NOT: %[[X]],
// CHECK: train.backward_begin
// CHECK-NOT: %[[X]] :
// CHECK-NOT: %[[X]],
// CHECK: onnx.greater %[[Y]],
// CHECK-NOT: %[[X]] :
// CHECK-NOT: %[[X]],
// CHECK: return
onnx.parameter @b : tensor<4xf32>
onnx.parameter @w : tensor<4x16xf32>
func.func @step(%h: tensor<2x3x4xf32>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  %b = onnx.read @b : tensor<4xf32>
  %x = onnx.add %h, %b : tensor<2x3x4xf32>, tensor<4xf32> -> tensor<2x3x4xf32>
  %y = onnx.relu %x : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %w = onnx.read @w : tensor<4x16xf32>
  %logits = onnx.matmul %y, %w : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that a model with nothing to train is refused.
// expected-error @+1 {{no parameter gets a gradient: nothing can be trained}}
module {
  onnx.parameter @w : tensor<2x3x16xf32> {frozen}
  func.func @step(%labels: tensor<2x3xi64>) -> tensor<f32> {
    %w = onnx.read @w : tensor<2x3x16xf32>
    %logits = onnx.neg %w : tensor<2x3x16xf32> -> tensor<2x3x16xf32>
    %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
    return %loss : tensor<f32>
  }
}

// -----

// Tests that a step without a loss is refused, with the pass that adds one.
// expected-error @+1 {{'step' has no loss: run --train-attach-loss}}
func.func @step(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}

// -----

// Tests that operators without a gradient are listed together, with count and
// the first module that holds one.
onnx.parameter @w : tensor<2x3x16xf32>
func.func @step(%labels: tensor<2x3xi64>) -> tensor<f32> {
  %w = onnx.read @w : tensor<2x3x16xf32>
  // expected-error @+3 {{the loss depends on parameters through ops that have no gradient: 'onnx.node' (2 times, first in 'h.0')}}
  %a = onnx.node "CumSum"(%w) {domain = "", version = 14 : i64, node_name = "n", node_attributes = {}, scope = "h.0"} : (tensor<2x3x16xf32>) -> tensor<2x3x16xf32>
  %b = onnx.node "CumSum"(%a) {domain = "", version = 14 : i64, node_name = "n", node_attributes = {}, scope = "h.1"} : (tensor<2x3x16xf32>) -> tensor<2x3x16xf32>
  %logits = onnx.neg %b : tensor<2x3x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that nothing flows back through a stopped value: a parameter that only
// it reads gets no gradient, and one that is read beside it gets the other
// use's. The op itself goes, as the identity that it is.
// CHECK-LABEL: func.func @step(
// CHECK: %[[W:.*]] = onnx.read @w
// CHECK: %[[H:.*]] = onnx.matmul %{{.*}}, %[[W]]
// CHECK-NOT: onnx.stop_gradient
// CHECK: onnx.mul %[[H]], %[[H]]
// CHECK: train.backward_begin
// CHECK-NOT: train.gradient @b
// CHECK: train.gradient @w
// CHECK-NOT: train.gradient
onnx.parameter @w : tensor<4x16xf32>
onnx.parameter @b : tensor<16xf32>
func.func @step(%x: tensor<2x3x4xf32>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  %w = onnx.read @w : tensor<4x16xf32>
  %b = onnx.read @b : tensor<16xf32>
  %h = onnx.matmul %x, %w : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %s = onnx.stop_gradient %h : tensor<2x3x16xf32>
  %sb = onnx.stop_gradient %b : tensor<16xf32>
  %p = onnx.mul %h, %s : tensor<2x3x16xf32>, tensor<2x3x16xf32> -> tensor<2x3x16xf32>
  %logits = onnx.add %p, %sb : tensor<2x3x16xf32>, tensor<16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that labels which the model makes of its tokens are counted as the loss
// sees them.
// CHECK-LABEL: func.func @count(
// CHECK-SAME: %[[IDS:[a-z0-9]*]]: tensor<2x4xi64> {train.role = "tokens"}, %{{[a-z0-9]*}}: tensor<f32> {train.role = "microbatch"})
// CHECK: %[[NEXT:.*]] = onnx.slice %[[IDS]]
// CHECK: train.count_valid %[[NEXT]]
// CHECK-LABEL: func.func @step(
onnx.parameter @"h.0.w" : tensor<4x16xf32>
func.func @step(%ids: tensor<2x4xi64> {train.role = "tokens"}, %x: tensor<2x3x4xf32>) -> tensor<f32> {
  %labels = onnx.slice %ids from [0, 1] by [1, 1] : tensor<2x4xi64> -> tensor<2x3xi64>
  %w = onnx.read @"h.0.w" : tensor<4x16xf32>
  %logits = onnx.matmul %x, %w : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that labels which come from a parameter too are not counted before the
// step, which then has one microbatch.
// CHECK-NOT: func.func @count(
// CHECK-LABEL: func.func @step(
// CHECK: train.total @valid_tokens
onnx.parameter @shift : tensor<2x3xi64> {frozen}
onnx.parameter @"h.0.w" : tensor<4x16xf32>
func.func @step(%ids: tensor<2x3xi64> {train.role = "tokens"}, %x: tensor<2x3x4xf32>) -> tensor<f32> {
  %by = onnx.read @shift : tensor<2x3xi64>
  %labels = onnx.add %ids, %by : tensor<2x3xi64>, tensor<2x3xi64> -> tensor<2x3xi64>
  %w = onnx.read @"h.0.w" : tensor<4x16xf32>
  %logits = onnx.matmul %x, %w : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}
