// RUN: fsdp-opt %s --fsdp-hoist-updates --split-input-file | FileCheck %s

// Tests that an update follows the wait for its gradients at once, and one that
// is clipped the clip factor.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.wait
// CHECK-NEXT: fsdp.update "h.1"
// CHECK-NEXT: %[[S:.*]] = fsdp.wait
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: %[[CLIP:.*]] = onnx.neg
// CHECK-NEXT: fsdp.update "h.0" line 0(%[[S]]) {{.*}}clip %[[CLIP]]
// CHECK-NEXT: onnx.exp
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#sgd = #train.sgd<momentum = 0.0, decay = 0.0>
!s = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!t = tensor<4x4xf32>
func.func @step(%g: !t, %p1: !fsdp.pending<!s>, %p0: !fsdp.pending<!s>, %lr: tensor<f32>) -> !t {
  %s1 = fsdp.wait %p1 : !fsdp.pending<!s> -> !s
  %s0 = fsdp.wait %p0 : !fsdp.pending<!s> -> !s
  %a = onnx.exp %g : !t -> !t
  %c = onnx.neg %lr : tensor<f32> -> tensor<f32>
  %b = onnx.exp %a : !t -> !t
  fsdp.update "h.1" line 0(%s1) lr %lr step %lr {rule = #sgd} : (!s, tensor<f32>, tensor<f32>) -> ()
  fsdp.update "h.0" line 0(%s0) lr %lr step %lr clip %c {rule = #sgd} : (!s, tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  return %b : !t
}

// -----

// Tests that an update stays behind the gathers of its own line, which read the
// shards until they are waited for.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.all_gather_start "h.0"
// CHECK-NEXT: %{{.*}} = fsdp.wait
// CHECK-NEXT: fsdp.update "h.0"
// CHECK-NEXT: onnx.exp
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#sgd = #train.sgd<momentum = 0.0, decay = 0.0>
!s = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!t = tensor<4x4xf32>
func.func @step(%p0: !fsdp.pending<!s>, %lr: tensor<f32>) -> !t {
  %s0 = fsdp.wait %p0 : !fsdp.pending<!s> -> !s
  %own = fsdp.shards "h.0" line 0 : !s
  %p = fsdp.all_gather_start "h.0" line 0(%own) over ["shard"] : (!s) -> !fsdp.pending<!t>
  %w = fsdp.wait %p : !fsdp.pending<!t> -> !t
  %b = onnx.exp %w : !t -> !t
  fsdp.update "h.0" line 0(%s0) lr %lr step %lr {rule = #sgd} : (!s, tensor<f32>, tensor<f32>) -> ()
  return %b : !t
}
