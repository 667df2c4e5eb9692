// RUN: fsdp-opt %s --train-attach-loss=loss=cross_entropy --split-input-file --verify-diagnostics | FileCheck %s

// Tests that the function becomes the step, that its only result is the loss
// and that inputs get their role.
// CHECK: module attributes {train.ignore_index = -100 : i64, train.labels_shift = "data", train.token_rows = 16 : i64, train.vocab_size = 16 : i64}
// CHECK-NOT: func.func @forward
// CHECK: func.func @step(%[[IDS:.*]]: tensor<2x3xi64> {onnx.name = "input_ids", train.role = "tokens"}
// CHECK-SAME: %[[LABELS:.*]]: tensor<2x3xi64> {train.role = "labels"}
// CHECK-SAME: -> (tensor<f32> {train.role = "loss"})
// CHECK: %[[LOGITS:.*]] = onnx.gather
// CHECK: %[[LOSS:.*]] = onnx.softmax_cross_entropy_loss %[[LOGITS]], %[[LABELS]] ignore -100
// CHECK-NEXT: return %[[LOSS]] : tensor<f32>
onnx.parameter @wte : tensor<16x16xf32>
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"})
    -> (tensor<2x3x16xf32> {onnx.name = "logits"}) {
  %wte = onnx.read @wte : tensor<16x16xf32>
  %x = onnx.gather %wte, %ids : tensor<16x16xf32>, tensor<2x3xi64> -> tensor<2x3x16xf32>
  return %x : tensor<2x3x16xf32>
}

// -----

// Tests that token ids are bounded by the smallest table they are looked up in,
// moved about on the way or not, whatever the number of classes is.
// CHECK: module attributes {{.*}}train.token_rows = 9 : i64, train.vocab_size = 3 : i64
onnx.parameter @wte : tensor<16x3xf32>
onnx.parameter @small : tensor<9x3xf32>
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"})
    -> (tensor<2x3x3xf32> {onnx.name = "logits"}) {
  %wte = onnx.read @wte : tensor<16x3xf32>
  %small = onnx.read @small : tensor<9x3xf32>
  %x = onnx.gather %wte, %ids : tensor<16x3xf32>, tensor<2x3xi64> -> tensor<2x3x3xf32>
  %flat = onnx.reshape %ids : tensor<2x3xi64> -> tensor<6xi64>
  %y = onnx.gather %small, %flat : tensor<9x3xf32>, tensor<6xi64> -> tensor<6x3xf32>
  %z = onnx.reshape %y : tensor<6x3xf32> -> tensor<2x3x3xf32>
  %logits = onnx.add %x, %z : tensor<2x3x3xf32>, tensor<2x3x3xf32> -> tensor<2x3x3xf32>
  return %logits : tensor<2x3x3xf32>
}

// -----

// Tests that of several outputs the one called "logits" is taken.
// CHECK: func.func @step(%{{.*}}, %[[HIDDEN:.*]]: tensor<2x3x4xf32>{{.*}}, %[[LOGITS:.*]]: tensor<2x3x16xf32>{{.*}}, %{{.*}}: tensor<2x3xi64> {train.role = "labels"})
// CHECK: onnx.softmax_cross_entropy_loss %[[LOGITS]],
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %h: tensor<2x3x4xf32> {train.role = "other"},
                   %l: tensor<2x3x16xf32> {train.role = "other"})
    -> (tensor<2x3x4xf32> {onnx.name = "hidden"},
        tensor<2x3x16xf32> {onnx.name = "logits"}) {
  return %h, %l : tensor<2x3x4xf32>, tensor<2x3x16xf32>
}

// -----

// Tests that outputs of which none is called "logits" are not guessed among.
// expected-error @+1 {{the model has 2 outputs that can be logits, expected one: name it with --logits ('first', 'second')}}
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %a: tensor<2x3x4xf32>, %b: tensor<2x3x4xf32>)
    -> (tensor<2x3x4xf32> {onnx.name = "first"},
        tensor<2x3x4xf32> {onnx.name = "second"}) {
  return %a, %b : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// -----

// Tests that an input which is neither tokens nor labels is refused.
// expected-error @+1 {{input 'attention_mask' of type 'tensor<2x3xi64>' is neither tokens nor labels: fix it with --bind attention_mask=VALUE}}
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %mask: tensor<2x3xi64> {onnx.name = "attention_mask"},
                   %l: tensor<2x3x16xf32> {train.role = "other"})
    -> (tensor<2x3x16xf32> {onnx.name = "logits"}) {
  return %l : tensor<2x3x16xf32>
}

// -----

// Tests that the name decides which input is tokens, not the order: the mask
// before them is the one that is refused.
// expected-error @+1 {{input 'attention_mask' of type 'tensor<2x3xi64>' is neither tokens nor labels: fix it with --bind attention_mask=VALUE}}
func.func @forward(%mask: tensor<2x3xi64> {onnx.name = "attention_mask"},
                   %ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %l: tensor<2x3x16xf32> {train.role = "other"})
    -> (tensor<2x3x16xf32> {onnx.name = "logits"}) {
  return %l : tensor<2x3x16xf32>
}

// -----

// Tests that a model with labels, for what is no loss that is known, is refused
// a second loss.
// expected-error @+1 {{--loss cross_entropy takes labels of its own, but the model has an input 'labels': export the model without it}}
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %labels: tensor<2x3xi64> {onnx.name = "labels"},
                   %l: tensor<2x3x16xf32> {train.role = "other"})
    -> (tensor<2x3x16xf32> {onnx.name = "logits"}) {
  return %l : tensor<2x3x16xf32>
}

// -----

// Tests that a loss of whole sequences is refused.
// expected-error @+1 {{the loss has labels of shape [2], but tokens are of shape [2, 3]: expected a label for each token, of logits [batch, seq, classes]; a loss of whole sequences is not supported}}
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"},
                   %l: tensor<2x5xf32> {train.role = "other"})
    -> (tensor<2x5xf32> {onnx.name = "logits"}) {
  return %l : tensor<2x5xf32>
}

// -----

// Tests that a module without a forward function is refused.
// expected-error @+1 {{module has no function 'forward'}}
module {
}
