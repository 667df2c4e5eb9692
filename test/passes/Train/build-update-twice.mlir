// RUN: fsdp-opt %s --pass-pipeline="builtin.module(builtin.module(train-build-update{optimizer=sgd groups=l.w:lr=0.5x}))" | FileCheck %s

// Tests that groups of one module are none of the next one's.
// CHECK: train.update @l.w, {{.*}}lr_scale = 5.000000e-01
// CHECK: train.update @l.w, {{.*}}lr_scale = 5.000000e-01
module {
  onnx.parameter @"l.w" : tensor<4xf32>
  func.func @step(%x: tensor<4xf32>, %loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    train.gradient @"l.w", %x : tensor<4xf32>
    return %loss, %n : tensor<f32>, tensor<f32>
  }
}
module {
  onnx.parameter @"l.w" : tensor<4xf32>
  func.func @step(%x: tensor<4xf32>, %loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    train.gradient @"l.w", %x : tensor<4xf32>
    return %loss, %n : tensor<f32>, tensor<f32>
  }
}
