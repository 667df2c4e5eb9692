// RUN: fsdp-opt %s --fsdp-assign-units="mesh=shard=3 placement=dim0" | FileCheck %s
// RUN: not fsdp-opt %s --fsdp-assign-units="placement=dim1" 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// Tests that each parameter is cut between rows: 6 of 16, 1 of 3, a scalar as
// one; and that decay ends where the rank's own part of the last parameter
// that decays does.
// CHECK-DAG: #[[WTE:.*]] = #fsdp.layout<dim0 over ["shard"] of #{{.*}}, [tensor<16x4xf32> at 0]>
// CHECK-DAG: #[[BLOCK:.*]] = #fsdp.layout<dim0 over ["shard"] of #{{.*}}, [tensor<16x4xf32> at 0, tensor<3xf32> at 32, tensor<f32> at 48]>
// CHECK: fsdp.unit @"(root)" root lines [#fsdp.line<layout = #[[WTE]], parameters = ["wte"], ranges = [<end = 24, rule = #train.sgd<momentum = 0.000000e+00 : f64, decay = 0.000000e+00 : f64>>]>]
// CHECK: fsdp.unit @h.0 lines [#fsdp.line<layout = #[[BLOCK]], parameters = ["h.0.w", "h.0.b", "h.0.s"], ranges = [<end = 32, rule = #train.sgd<{{[^>]*}}decay = 1.000000e-01 : f64>>, <end = 49, rule = #train.sgd<{{[^>]*}}decay = 0.000000e+00 : f64>>]>]
// UNKNOWN: error: unknown --placement 'dim1', expected flat or dim0
#decay = #train.sgd<momentum = 0.0, decay = 0.1>
#plain = #train.sgd<momentum = 0.0, decay = 0.0>
onnx.parameter @wte : tensor<16x4xf32>
onnx.parameter @"h.0.b" : tensor<3xf32>
onnx.parameter @"h.0.s" : tensor<f32>
onnx.parameter @"h.0.w" : tensor<16x4xf32>
func.func @step(%a: tensor<16x4xf32>, %b: tensor<3xf32>, %c: tensor<16x4xf32>, %s: tensor<f32>) {
  train.update @wte, %a lr %s step %s {rule = #plain} : (tensor<16x4xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.0.b", %b lr %s step %s {rule = #plain} : (tensor<3xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.0.s", %s lr %s step %s {rule = #plain} : (tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.0.w", %c lr %s step %s {rule = #decay} : (tensor<16x4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}
