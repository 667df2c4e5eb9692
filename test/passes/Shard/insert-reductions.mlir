// RUN: fsdp-opt %s --fsdp-insert-reductions --split-input-file --verify-diagnostics | FileCheck %s

// Tests that a line is reduced right after its last gradient, that norm and
// update work on shards, that sums over ranks become all-reduces, and that a
// line which is not trainable is neither reduced nor updated.
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<4xf32>, %[[LR:[a-z0-9]*]]: tensor<f32>
// CHECK: %[[DB:.*]] = onnx.neg
// CHECK-NEXT: %[[DA:.*]] = onnx.exp
// CHECK-NEXT: %[[START:.*]] = fsdp.reduce_scatter_start "h.0" line 0(%[[DA]], %[[DB]]) over ["shard"]
// CHECK-NEXT: %[[GRADS:.*]]:2 = fsdp.wait %[[START]]
// CHECK-NEXT: %[[OTHER:.*]] = onnx.neg
// CHECK-NOT: fsdp.reduce_scatter_start
// CHECK: %[[SQUARES:.*]] = fsdp.sum_of_squares %[[GRADS]]#0, %[[GRADS]]#1
// CHECK-NEXT: %[[SUM:.*]] = fsdp.all_reduce %[[SQUARES]] over ["shard"] : tensor<f64>
// CHECK-NEXT: %[[ROOT:.*]] = onnx.sqrt %[[SUM]]
// CHECK-NEXT: %[[NORM:.*]] = onnx.cast %[[ROOT]]
// CHECK-NEXT: %[[CLIP:.*]] = train.clip_coefficient %[[NORM]]
// CHECK: fsdp.update "h.0" line 0(%[[GRADS]]#0, %[[GRADS]]#1) lr %[[LR]] step %[[LR]] clip %[[CLIP]] :
// CHECK-NOT: {{train|fsdp}}.update
// CHECK: %[[LOSS:.*]] = fsdp.all_reduce %[[LR]] over ["shard"] : tensor<f32>
// CHECK-NEXT: %[[RANKS:.*]] = onnx.constant dense<2.000000e+00>
// CHECK-NEXT: return %[[LOSS]], %[[RANKS]]
#mesh = #fsdp.mesh<"shard" = 2>
#decay = #train.sgd<momentum = 0.0, decay = 0.1>
#plain = #train.sgd<momentum = 0.0, decay = 0.0>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf32> at 16]>, parameters = ["h.0.a", "h.0.b"], ranges = [#train.range<end = 16, rule = #decay>, #train.range<end = 20, rule = #plain>]>
#frozen = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["h.0.frozen"]>
onnx.parameter @"h.0.a" : tensor<4xf32>
onnx.parameter @"h.0.b" : tensor<4xf32>
onnx.parameter @"h.0.frozen" : tensor<4xf32> {frozen}
fsdp.unit @"h.0" lines [#line, #frozen]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %db = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  %da = onnx.exp %x : tensor<4xf32> -> tensor<4xf32>
  %other = onnx.neg %da : tensor<4xf32> -> tensor<4xf32>
  %norm = train.global_norm %da, %db : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  %clip = train.clip_coefficient %norm max 1.0 : tensor<f32> -> tensor<f32>
  train.update @"h.0.b", %db lr %lr step %lr clip %clip {rule = #plain} : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.0.a", %da lr %lr step %lr clip %clip {rule = #decay} : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  %loss = train.sum_over_ranks %lr : tensor<f32>
  %n = train.rank_count : tensor<f32>
  return %loss, %n : tensor<f32>, tensor<f32>
}

// -----

// Tests that a parameter updated outside every trainable line is refused.
#mesh = #fsdp.mesh<"shard" = 2>
#frozen = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#frozen]
func.func @step(%g: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{updates a parameter of no trainable line: run --fsdp-assign-units after --train-build-update}}
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a trainable line with a parameter that the step does not update is
// refused.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf32> at 16]>, parameters = ["a", "b"], ranges = [#train.range<end = 20, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @a : tensor<4xf32>
onnx.parameter @b : tensor<4xf32>
// expected-error @+1 {{has parameter "b" in a trainable line, but 'step' does not update it}}
fsdp.unit @"(root)" root lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %g = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  train.update @a, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that gradients are reduced in the line's type: what was widened is read
// as it was, what was not is rounded.
// CHECK-LABEL: func.func @step(
// CHECK: %[[ROUNDED:.*]] = onnx.cast %{{.*}} {{.*}}: tensor<32xf32> -> tensor<32xbf16>
// CHECK: fsdp.reduce_scatter_start "(root)" line 0(%arg0, %[[ROUNDED]])
// CHECK: %[[G:.*]]:2 = fsdp.wait
// CHECK: fsdp.update "(root)" line 0(%[[G]]#0, %[[G]]#1)
#mesh = #fsdp.mesh<"shard" = 2>
#half = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<32xf32> at 0, tensor<32xf32> at 32], align = 32>, parameters = ["a", "b"], ranges = [#train.range<end = 64, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] reduce = bf16>
onnx.parameter @a : tensor<32xf32>
onnx.parameter @b : tensor<32xf32>
fsdp.unit @"(root)" root lines [#half]
func.func @step(%x: tensor<32xbf16>, %y: tensor<32xf32>, %lr: tensor<f32>) {
  %g = onnx.cast %x : tensor<32xbf16> -> tensor<32xf32>
  %h = onnx.neg %y : tensor<32xf32> -> tensor<32xf32>
  train.update @a, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<32xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @b, %h lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<32xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a step without updates is refused.
// expected-error @+1 {{'step' updates nothing: run --train-build-update}}
func.func @step() {
  return
}

// -----

// Tests that a step of microbatches sums reduced gradients up behind
// train.update_begin, line after line, and that norm and update take the sums.
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[AT:[a-z0-9]*]]: tensor<f32> {train.role = "microbatch"}
// CHECK: %[[B:.*]] = fsdp.wait
// CHECK: %[[A:.*]] = fsdp.wait
// CHECK: train.update_begin
// CHECK-NEXT: %[[SUMA:.*]] = fsdp.accumulate "h.0" line 0(%[[A]]) at %[[AT]]
// CHECK-NEXT: %[[SUMB:.*]] = fsdp.accumulate "h.1" line 0(%[[B]]) at %[[AT]]
// CHECK-NEXT: fsdp.sum_of_squares %[[SUMA]], %[[SUMB]]
// CHECK: fsdp.update "h.0" line 0(%[[SUMA]])
// CHECK: fsdp.update "h.1" line 0(%[[SUMB]])
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

// Tests that a line is updated by the rules that it lists.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.1>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %g = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  // expected-error @+1 {{goes by another rule than its line has for "w", #train.sgd<momentum = 0.000000e+00 : f64, decay = 1.000000e-01 : f64>: run --fsdp-assign-units after --train-build-update}}
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that all parameters of a line are updated with the same scalars.
#mesh = #fsdp.mesh<"shard" = 2>
#rule = #train.sgd<momentum = 0.0, decay = 0.0>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf32> at 16]>, parameters = ["a", "b"], ranges = [#train.range<end = 20, rule = #rule>]>
onnx.parameter @a : tensor<4xf32>
onnx.parameter @b : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %g = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  train.update @a, %g lr %lr step %lr {rule = #rule} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  // expected-error @+1 {{reads another lr, step or clip than the update of @a, which is in the same line}}
  train.update @b, %g lr %lr step %lr clip %lr {rule = #rule} : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  return
}
