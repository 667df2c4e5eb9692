// RUN: fsdp-opt %s --fsdp-overlap-reductions | FileCheck %s
// RUN: fsdp-opt %s --fsdp-overlap-reductions=in-flight=2 | FileCheck %s --check-prefix=TWO
// RUN: fsdp-opt %s --fsdp-overlap-reductions=in-flight=0 | FileCheck %s --check-prefix=OFF
// RUN: not fsdp-opt %s --fsdp-overlap-reductions=in-flight=-1 2>&1 | FileCheck %s --check-prefix=NUMBER
// NUMBER: error: in-flight is -1, expected 0 or more

// Tests that a wait moves to the next reduce-scatter of another unit, that the
// last one moves to the first use, and that no wait passes a use of its shards.
// CHECK-LABEL: func.func @step(
// CHECK: %[[P2:.*]] = fsdp.reduce_scatter_start "h.2"
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: fsdp.wait %[[P2]]
// CHECK-NEXT: %[[P1:.*]] = fsdp.reduce_scatter_start "h.1"
// CHECK-NEXT: %[[S1:.*]] = fsdp.wait %[[P1]]
// CHECK-NEXT: fsdp.update "h.1" line 0(%[[S1]])
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: %[[P0:.*]] = fsdp.reduce_scatter_start "h.0"
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: fsdp.wait %[[P0]]
// CHECK-NEXT: fsdp.sum_of_squares

// TWO-LABEL: func.func @step(
// TWO: %[[P2:.*]] = fsdp.reduce_scatter_start "h.2"
// TWO-NEXT: onnx.exp
// TWO-NEXT: %[[P1:.*]] = fsdp.reduce_scatter_start "h.1"
// TWO-NEXT: fsdp.wait %[[P1]]
// TWO-NEXT: fsdp.update "h.1"
// TWO-NEXT: onnx.exp
// TWO-NEXT: fsdp.wait %[[P2]]
// TWO-NEXT: %[[P0:.*]] = fsdp.reduce_scatter_start "h.0"

// OFF: %[[P2:.*]] = fsdp.reduce_scatter_start "h.2"
// OFF-NEXT: fsdp.wait %[[P2]]
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
!s = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!t = tensor<4x4xf32>
func.func @step(%g: !t, %lr: tensor<f32>) -> (tensor<f64>, !t) {
  %p2 = fsdp.reduce_scatter_start "h.2" line 0(%g) over ["shard"] : (!t) -> !fsdp.pending<!s>
  %s2 = fsdp.wait %p2 : !fsdp.pending<!s> -> !s
  %a = onnx.exp %g : !t -> !t
  %p1 = fsdp.reduce_scatter_start "h.1" line 0(%a) over ["shard"] : (!t) -> !fsdp.pending<!s>
  %s1 = fsdp.wait %p1 : !fsdp.pending<!s> -> !s
  fsdp.update "h.1" line 0(%s1) lr %lr step %lr : (!s, tensor<f32>, tensor<f32>) -> ()
  %b = onnx.exp %a : !t -> !t
  %p0 = fsdp.reduce_scatter_start "h.0" line 0(%b) over ["shard"] : (!t) -> !fsdp.pending<!s>
  %s0 = fsdp.wait %p0 : !fsdp.pending<!s> -> !s
  %c = onnx.exp %b : !t -> !t
  %n = fsdp.sum_of_squares %s2, %s0 : !s, !s -> tensor<f64>
  return %n, %c : tensor<f64>, !t
}
