// RUN: fsdp-opt %s --fsdp-insert-reductions=accumulate-sync=last --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not fsdp-opt %s --fsdp-insert-reductions=accumulate-sync=never --split-input-file 2>&1 | FileCheck %s --check-prefix=NEVER
// NEVER: error: unknown accumulate-sync 'never', expected every or last

// Tests that whole gradients are summed up in each microbatch, and reduced once,
// line after line, behind it.
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[AT:[a-z0-9]*]]: tensor<f32> {train.role = "microbatch"}
// CHECK: %[[DB:.*]] = onnx.neg
// CHECK-NEXT: %[[SUMB:.*]] = fsdp.accumulate_gradients "h.1" line 0(%[[DB]]) at %[[AT]]
// CHECK: %[[DA:.*]] = onnx.exp
// CHECK-NEXT: %[[SUMA:.*]] = fsdp.accumulate_gradients "h.0" line 0(%[[DA]]) at %[[AT]]
// CHECK-NOT: fsdp.reduce_scatter_start
// CHECK: train.update_begin
// CHECK-NEXT: %[[PA:.*]] = fsdp.reduce_scatter_start "h.0" line 0(%[[SUMA]])
// CHECK-NEXT: %[[A:.*]] = fsdp.wait %[[PA]]
// CHECK-NEXT: %[[PB:.*]] = fsdp.reduce_scatter_start "h.1" line 0(%[[SUMB]])
// CHECK-NEXT: %[[B:.*]] = fsdp.wait %[[PB]]
// CHECK-NEXT: fsdp.sum_of_squares %[[A]], %[[B]]
// CHECK: fsdp.update "h.0" line 0(%[[A]])
#mesh = #fsdp.mesh<"shard" = 2>
#plain = #train.sgd<momentum = 0.0, decay = 0.0>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#a = #fsdp.line<layout = #layout, parameters = ["h.0.a"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#b = #fsdp.line<layout = #layout, parameters = ["h.1.b"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @"h.0.a" : tensor<4xf32>
onnx.parameter @"h.1.b" : tensor<4xf32>
fsdp.unit @"h.0" lines [#a]
fsdp.unit @"h.1" lines [#b]
func.func @step(%x: tensor<4xf32>, %at: tensor<f32> {train.role = "microbatch"}, %lr: tensor<f32>) -> tensor<f32> {
  %db = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  %da = onnx.exp %x : tensor<4xf32> -> tensor<4xf32>
  train.update_begin
  %norm = train.global_norm %da, %db : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  train.update @"h.0.a", %da lr %lr step %lr {rule = #plain} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.1.b", %db lr %lr step %lr {rule = #plain} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return %norm : tensor<f32>
}

// -----

// Tests that a step without microbatches reduces its gradients where they are.
// CHECK-LABEL: func.func @step(
// CHECK-NOT: fsdp.accumulate
// CHECK: fsdp.reduce_scatter_start
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#a = #fsdp.line<layout = #layout, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#a]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %dw = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  train.update @w, %dw lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}
