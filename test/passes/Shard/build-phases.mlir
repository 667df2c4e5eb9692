// RUN: fsdp-opt %s --fsdp-build-phases --split-input-file --verify-diagnostics | FileCheck %s

// Tests that init loads every line, with the rule of those that are updated,
// that the step is left alone, and that export gathers, stores and releases one
// line after the other.
// CHECK-LABEL: func.func @init()
// CHECK-NEXT: fsdp.load "h.0" line 0{{$}}
// CHECK-NEXT: fsdp.load "h.0" line 1{{$}}
// CHECK-NEXT: return
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: fsdp.update "h.0" line 0
// CHECK-NEXT: return
// CHECK-LABEL: func.func @export()
// CHECK: fsdp.all_gather_start "h.0" line 0
// CHECK-NEXT: %[[W:.*]] = fsdp.wait
// CHECK-NEXT: fsdp.store "h.0" line 0(%[[W]])
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[W]])
// CHECK-NEXT: fsdp.shards "h.0" line 1
// CHECK-NEXT: fsdp.all_gather_start "h.0" line 1
// CHECK-NEXT: %[[FROZEN:.*]] = fsdp.wait
// CHECK-NEXT: fsdp.store "h.0" line 1(%[[FROZEN]])
// CHECK-NEXT: fsdp.release "h.0" line 1(%[[FROZEN]])
// CHECK-NEXT: return
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#frozen = #fsdp.line<layout = #layout, parameters = ["h.0.frozen"]>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.0.frozen" : tensor<4xf32> {frozen}
fsdp.unit @"h.0" lines [#line, #frozen]
func.func @step(%g: !fsdp.sharded<tensor<4xf32>, #layout, 0>, %lr: tensor<f32>) {
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!fsdp.sharded<tensor<4xf32>, #layout, 0>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a module without a step is refused.
// expected-error @+1 {{module has no function 'step', which this stage works on}}
module {
}
