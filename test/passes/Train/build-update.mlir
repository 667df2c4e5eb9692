// RUN: fsdp-opt %s --train-build-update="numbers=weight_decay=0.1 clip-grad-norm=1 no-decay=*.b" --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,CLIP
// RUN: fsdp-opt %s --train-build-update="optimizer=sgd numbers=momentum=0.9 no-decay=*.b" --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,SGD

// Tests that gradients become updates under one norm, that patterns decide what
// decays, that clipping stands only where it was asked for, and that a
// parameter without a gradient is not updated.
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[LR:[a-z0-9]*]]: tensor<f32> {train.role = "lr"}, %[[STEP:[a-z0-9]*]]: tensor<f32> {train.role = "step"})
// CHECK-SAME: {train.role = "loss"}, tensor<f32> {train.role = "grad_norm"}, tensor<f32> {train.role = "valid_tokens"}
// CHECK-NOT: train.gradient
// CHECK: train.update_begin
// CHECK-NEXT: %[[NORM:.*]] = train.global_norm %[[DW:.*]], %[[DB:.*]] {scope = "optimizer"}
// CLIP: %[[CLIP:.*]] = train.clip_coefficient %[[NORM]] max 1.000000e+00
// CLIP: train.update @l.w, %[[DW]] lr %[[LR]] step %[[STEP]] clip %[[CLIP]] {rule = #train.adamw<beta1 = 9.000000e-01 : f64, {{.*}}decay = 1.000000e-01 : f64>
// CLIP: train.update @l.b, %[[DB]] lr %[[LR]] step %[[STEP]] clip %[[CLIP]] {rule = #train.adamw<{{.*}}decay = 0.000000e+00 : f64>
// SGD-NOT: train.clip_coefficient
// SGD: train.update @l.w, %[[DW]] lr %[[LR]] step %[[STEP]] {rule = #train.sgd<momentum = 9.000000e-01 : f64, decay = 0.000000e+00 : f64>
// SGD: train.update @l.b, %[[DB]] lr %[[LR]] step %[[STEP]] {rule = #train.sgd<
// CHECK-NOT: train.update
// CHECK: return %{{.*}}, %[[NORM]], %{{.*}} : tensor<f32>, tensor<f32>, tensor<f32>
onnx.parameter @"l.w" : tensor<4x4xf32>
onnx.parameter @"l.b" : tensor<4xf32>
onnx.parameter @"l.unused" : tensor<4xf32>
func.func @step(%dw: tensor<4x4xf32>, %db: tensor<4xf32>, %loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  train.gradient @"l.w", %dw : tensor<4x4xf32>
  train.gradient @"l.b", %db : tensor<4xf32>
  return %loss, %n : tensor<f32>, tensor<f32>
}

// -----

// Tests that a tied parameter is meant by each of its names.
// CHECK-LABEL: func.func @step(
// CLIP: train.update @e.w, {{.*}}decay = 0.000000e+00 : f64>
onnx.parameter @"e.w" : tensor<4x4xf32> {aliases = ["h.b"]}
func.func @step(%dw: tensor<4x4xf32>, %loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  train.gradient @"e.w", %dw : tensor<4x4xf32>
  return %loss, %n : tensor<f32>, tensor<f32>
}

// -----

// Tests that a pattern without a match is refused, with the nearest names.
// expected-error @+2 {{--no-decay '*.b' matches no parameter; nearest: 'l.w'}}
onnx.parameter @"l.w" : tensor<4x4xf32>
func.func @step(%dw: tensor<4x4xf32>, %loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  train.gradient @"l.w", %dw : tensor<4x4xf32>
  return %loss, %n : tensor<f32>, tensor<f32>
}

// -----

// Tests that a step without gradients is refused, with the pass that adds them.
onnx.parameter @"l.b" : tensor<4xf32>
// expected-error @+1 {{'step' has no gradients: run --train-build-backward}}
func.func @step(%loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  return %loss, %n : tensor<f32>, tensor<f32>
}
