// RUN: fsdp-opt %s -o %t.mlir && FileCheck %s < %t.mlir
// RUN: fsdp-opt %t.mlir | diff %t.mlir -
// RUN: fsdp-opt %s --mlir-print-op-generic | fsdp-opt | diff %t.mlir -

// Tests that printing and parsing give the same program, in the custom and in
// the generic form.
onnx.parameter @w : tensor<4xf32>

// CHECK: train.state @loss : tensor<f32>
train.state @loss : tensor<f32>

// CHECK-LABEL: func.func @step
// CHECK: train.backward_begin
// CHECK: train.gradient @w, %{{.*}} : tensor<4xf32>
// CHECK: train.sum_over_ranks %{{.*}} : tensor<f32>
// CHECK: train.rank_count : tensor<f32>
// CHECK: train.accumulate @loss, %{{.*}} at %{{.*}} : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK: train.total @loss, %{{.*}} of %{{.*}} : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK: train.update_begin
// CHECK: train.global_norm %{{.*}} : tensor<4xf32> -> tensor<f32>
// CHECK: train.clip_coefficient %{{.*}} max 1.000000e+00 : tensor<f32> -> tensor<f32>
// CHECK: train.update @w, %{{.*}} lr %{{.*}} step %{{.*}} clip %{{.*}} {rule = #train.adamw<beta1 = 9.000000e-01 : f64, beta2 = 5.000000e-01 : f64, eps = 1.000000e-08 : f64, decay = 1.000000e-01 : f64>}
// CHECK: train.update @w, %{{.*}} lr %{{.*}} step %{{[a-z0-9]*}} {rule = #train.sgd<momentum = 9.000000e-01 : f64, decay = 0.000000e+00 : f64>}
func.func @step(%g: tensor<4xf32>, %lr: tensor<f32>, %t: tensor<f32>) {
  train.backward_begin
  train.gradient @w, %g : tensor<4xf32>
  %sum = train.sum_over_ranks %lr : tensor<f32>
  %n = train.rank_count : tensor<f32>
  %all = train.accumulate @loss, %sum at %t : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %total = train.total @loss, %all of %t : (tensor<f32>, tensor<f32>) -> tensor<f32>
  train.update_begin
  %norm = train.global_norm %g : tensor<4xf32> -> tensor<f32>
  %clip = train.clip_coefficient %norm max 1.0 : tensor<f32> -> tensor<f32>
  train.update @w, %g lr %lr step %t clip %clip {rule = #train.adamw<beta1 = 0.9, beta2 = 0.5, eps = 1.0e-8, decay = 0.1>} : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  train.update @w, %g lr %lr step %t {rule = #train.sgd<momentum = 0.9, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// CHECK-LABEL: func.func @gradients
// CHECK: train.count_valid %{{.*}} ignore -100 : tensor<2xi64> -> tensor<f32>
// CHECK: train.cross_entropy %{{.*}}, %{{.*}} ignore -100
// CHECK: train.cross_entropy_grad
// CHECK: train.softmax_grad
// CHECK: train.layer_norm_grad
// CHECK: train.layer_norm_param_grad
// CHECK: train.rms_norm_grad %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32>
// CHECK: train.rms_norm_grad %{{.*}} : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32> parts tensor<1x4xf32>
// CHECK: train.rms_norm_param_grad %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x4xf32>, tensor<2xf32> -> tensor<4xf32>
// CHECK: train.gather_grad %{{.*}}, %{{.*}} {padding_idx = 1 : i64}
func.func @gradients(%x: tensor<2x4xf32>, %y: tensor<2xi64>, %d: tensor<4xf32>, %r: tensor<2xf32>) {
  %n = train.count_valid %y ignore -100 : tensor<2xi64> -> tensor<f32>
  %losses, %lse = train.cross_entropy %x, %y ignore -100 : tensor<2x4xf32>, tensor<2xi64> -> tensor<2xf32>, tensor<2xf32>
  %dx = train.cross_entropy_grad %x, %y, %lse, %n ignore -100 : tensor<2x4xf32>, tensor<2xi64>, tensor<2xf32>, tensor<f32>
  %ds = train.softmax_grad %x, %dx : tensor<2x4xf32>
  %dn = train.layer_norm_grad %x, %ds, %d, %r, %r : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32>, tensor<2xf32>
  %dscale, %dbias = train.layer_norm_param_grad %x, %dn, %r, %r : tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<4xf32>, tensor<4xf32>
  %dq = train.rms_norm_grad %x, %dn, %d, %r : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32>
  %dq2, %pw = train.rms_norm_grad %x, %dn, %d, %r : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32> parts tensor<1x4xf32>
  %dw = train.rms_norm_param_grad %x, %dq, %r : tensor<2x4xf32>, tensor<2xf32> -> tensor<4xf32>
  %dt = train.gather_grad %y, %x {padding_idx = 1 : i64} : tensor<2xi64>, tensor<2x4xf32> -> tensor<8x4xf32>
  return
}

// CHECK-LABEL: func.func @kernel
// CHECK: train.kernel "double"(%{{.*}}) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: train.yield %{{.*}} : tensor<4xf32>
// CHECK: train.sum_of_squares %{{.*}} : tensor<4xf32> -> tensor<f64>
func.func @kernel(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = train.kernel "double"(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %s = onnx.add %a, %a : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
    train.yield %s : tensor<4xf32>
  }
  %q = train.sum_of_squares %y : tensor<4xf32> -> tensor<f64>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @barrier
// CHECK: train.barrier %{{.*}}, %{{.*}} {scope = "h.0"} : tensor<4xf32>, tensor<2xi64> -> tensor<4xf32>, tensor<2xi64>
func.func @barrier(%x: tensor<4xf32>, %i: tensor<2xi64>) {
  %y:2 = train.barrier %x, %i {scope = "h.0"} : tensor<4xf32>, tensor<2xi64> -> tensor<4xf32>, tensor<2xi64>
  return
}

// CHECK-LABEL: func.func @attention_rows
// CHECK: train.attention_rows %{{.*}} mask %{{.*}} first 1 of 4 x 6 scale 1.000000e+00 {causal} : (tensor<1x2x2x5xf32>, tensor<6xf32>)
// CHECK: train.attention_rows_grad %{{.*}} saved %{{.*}}, %{{.*}} grad %{{.*}} first 1 of 4 x 6 scale 1.000000e+00 {causal} :
// CHECK: train.attention_divide %{{.*}} by %{{.*}} blocks 1 : (tensor<1x2x2x5xf32>, tensor<1x2x2xf32>) -> tensor<1x2x2x5xbf16>
func.func @attention_rows(%s: tensor<1x2x2x5xf32>, %m: tensor<6xf32>) {
  %p, %x, %t = train.attention_rows %s mask %m first 1 of 4 x 6 scale 1.0 {causal} : (tensor<1x2x2x5xf32>, tensor<6xf32>) -> (tensor<1x2x2x5xbf16>, tensor<1x2x2xf32>, tensor<1x2x2xf32>)
  %q, %e = train.attention_rows_grad %s saved %x, %t grad %s first 1 of 4 x 6 scale 1.0 {causal} : (tensor<1x2x2x5xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>, tensor<1x2x2x5xf32>) -> (tensor<1x2x2x5xbf16>, tensor<1x2x2x5xbf16>)
  %y = train.attention_divide %s by %t blocks 1 : (tensor<1x2x2x5xf32>, tensor<1x2x2xf32>) -> tensor<1x2x2x5xbf16>
  return
}

// CHECK-LABEL: func.func @parts
// CHECK: train.reduce_parts %{{.*}} [0, 1] size 5 : tensor<3x4x2xbf16> -> tensor<3x2xf64>
// CHECK: train.reduce_parts %{{.*}} [0] size 3 {divisor = 12 : i64} : tensor<3x2xf64> -> tensor<2xbf16>
// CHECK: train.reduce_parts %{{.*}} [1] size 2 {max} : tensor<3x4x2xbf16> -> tensor<2x3x2xbf16>
// CHECK: train.sum_of_squares %{{.*}} {block = 5 : i64} : tensor<3x4x2xbf16> -> tensor<5xf64>
// CHECK: train.count_valid %{{.*}} ignore -1 : tensor<2xi64> -> tensor<2xf32>
func.func @parts(%x: tensor<3x4x2xbf16>, %l: tensor<2xi64>) {
  %p = train.reduce_parts %x [0, 1] size 5 : tensor<3x4x2xbf16> -> tensor<3x2xf64>
  %y = train.reduce_parts %p [0] size 3 {divisor = 12 : i64} : tensor<3x2xf64> -> tensor<2xbf16>
  %m = train.reduce_parts %x [1] size 2 {max} : tensor<3x4x2xbf16> -> tensor<2x3x2xbf16>
  %s = train.sum_of_squares %x {block = 5 : i64} : tensor<3x4x2xbf16> -> tensor<5xf64>
  %n = train.count_valid %l ignore -1 : tensor<2xi64> -> tensor<2xf32>
  return
}

// CHECK-LABEL: func.func @ordered
// CHECK: train.order_indices %{{.*}} rows 8 : (tensor<2x3xi64>) -> (tensor<6xi32>, tensor<6xi32>)
// CHECK: train.gather_grad_ordered %{{.*}}, %{{.*}}, %{{.*}} {padding_idx = 1 : i64} : (tensor<6xi32>, tensor<6xi32>, tensor<2x3x4xf32>) -> tensor<8x4xf32>
func.func @ordered(%i: tensor<2x3xi64>, %dy: tensor<2x3x4xf32>) {
  %o, %s = train.order_indices %i rows 8 : (tensor<2x3xi64>) -> (tensor<6xi32>, tensor<6xi32>)
  %d = train.gather_grad_ordered %o, %s, %dy {padding_idx = 1 : i64} : (tensor<6xi32>, tensor<6xi32>, tensor<2x3x4xf32>) -> tensor<8x4xf32>
  return
}
