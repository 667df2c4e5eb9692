// RUN: fsdp-opt %s --fsdp-insert-gathers=accumulate-gathered --split-input-file --verify-diagnostics | FileCheck %s
// RUN: fsdp-opt %s --fsdp-insert-gathers=accumulate-gathered --fsdp-prefetch --split-input-file --verify-diagnostics | FileCheck %s

// Tests that a step gathers each line once, before its first microbatch, and
// releases it before its update, that what evaluates gathers for itself, and
// that prefetch leaves a step alone that has nothing left to gather.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: fsdp.shards "(root)" line 0
// CHECK-NEXT: fsdp.all_gather_start "(root)" line 0
// CHECK-NEXT: %[[WTE:.*]] = fsdp.wait
// CHECK-NEXT: fsdp.shards "h.0" line 0
// CHECK-NEXT: fsdp.all_gather_start "h.0" line 0
// CHECK-NEXT: %[[W:.*]] = fsdp.wait
// CHECK-NEXT: train.microbatch_begin
// CHECK-NEXT: %[[X:.*]] = onnx.add %{{.*}}, %[[WTE]]
// CHECK-NEXT: onnx.matmul %[[X]], %[[W]]
// CHECK-NEXT: train.backward_begin
// CHECK-NEXT: %[[D:.*]] = onnx.matmul %[[X]], %[[W]] {{.*}}transB
// CHECK-NEXT: fsdp.release "(root)" line 0(%[[WTE]])
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[W]])
// CHECK-NEXT: train.update_begin
// CHECK-NEXT: return
// CHECK-LABEL: func.func @evaluate(
// CHECK: fsdp.release "(root)"
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>, parameters = ["wte"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#block = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @wte : tensor<4x4xf32>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdp.unit @"h.0" lines [#block]
func.func @step(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %wte = onnx.read @wte : tensor<4x4xf32>
  %w = onnx.read @"h.0.w" : tensor<4x4xf32>
  %x = onnx.add %a, %wte : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %y = onnx.matmul %x, %w : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %d = onnx.matmul %x, %w {transB} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.update_begin
  return %d : tensor<4x4xf32>
}
func.func @evaluate(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %wte = onnx.read @wte : tensor<4x4xf32>
  %x = onnx.add %a, %wte : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %x : tensor<4x4xf32>
}

// -----

// Tests that a step without an update is refused.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>, parameters = ["wte"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @wte : tensor<4x4xf32>
fsdp.unit @"(root)" root lines [#line]
// expected-error @+1 {{'step' has no update: run --train-build-update}}
func.func @step(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %wte = onnx.read @wte : tensor<4x4xf32>
  %x = onnx.add %a, %wte : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  return %x : tensor<4x4xf32>
}
