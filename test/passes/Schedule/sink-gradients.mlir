// RUN: fsdp-opt %s --fsdp-sink-gradients --split-input-file | FileCheck %s

// Tests that a gradient whose operands are smaller than the line moves down to
// the reduce-scatter, behind the release, and keeps its order with others.
// CHECK-LABEL: func.func @step(
// CHECK: %[[W:.*]]:2 = fsdp.wait
// CHECK-NEXT: %[[DX:.*]] = onnx.matmul %{{.*}}, %[[W]]#0 {{.*}}transB
// CHECK-NEXT: onnx.mul %[[DX]], %[[W]]#1
// CHECK-NEXT: fsdp.release
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: %[[DW:.*]] = onnx.matmul {{.*}}transA
// CHECK-NEXT: %[[DB:.*]] = onnx.reduce_sum
// CHECK-NEXT: fsdp.reduce_scatter_start "h.0" line 0(%[[DW]], %[[DB]])
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<64x64xf32> at 0, tensor<64xf32> at 4096]>
!s0 = !fsdp.sharded<tensor<64x64xf32>, #layout, 0>
!s1 = !fsdp.sharded<tensor<64xf32>, #layout, 1>
!w = tensor<64x64xf32>
!b = tensor<64xf32>
!x = tensor<4x64xf32>
func.func @step(%x: !x, %a: !x, %p: !fsdp.pending<!w, !b>) -> (!x, !x) {
  train.backward_begin
  %dy = onnx.neg %a : !x -> !x
  %w:2 = fsdp.wait %p : !fsdp.pending<!w, !b> -> !w, !b
  %dw = onnx.matmul %x, %dy {transA} : !x, !x -> !w
  %db = onnx.reduce_sum %dy [0] keepdims false : !x -> !b
  %dx = onnx.matmul %dy, %w#0 {transB} : !x, !w -> !x
  %dz = onnx.mul %dx, %w#1 : !x, !b -> !x
  fsdp.release "h.0" line 0(%w#0, %w#1) : !w, !b
  %c = onnx.exp %dz : !x -> !x
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw, %db) over ["shard"] : (!w, !b) -> !fsdp.pending<!s0, !s1>
  %g:2 = fsdp.wait %q : !fsdp.pending<!s0, !s1> -> !s0, !s1
  return %dz, %c : !x, !x
}

// -----

// Tests that one whose operands are larger than the line only passes the
// release: so it never shares the memory with the gathered line.
// CHECK-LABEL: func.func @step(
// CHECK: onnx.matmul %{{.*}}, %{{.*}} {{.*}}transB
// CHECK-NEXT: fsdp.release
// CHECK-NEXT: onnx.matmul {{.*}}transA
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: fsdp.reduce_scatter_start
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<8x8xf32> at 0]>
!s0 = !fsdp.sharded<tensor<8x8xf32>, #layout, 0>
!w = tensor<8x8xf32>
!x = tensor<64x8xf32>
func.func @step(%x: !x, %a: !x, %p: !fsdp.pending<!w>) -> (!x, !x) {
  train.backward_begin
  %dy = onnx.neg %a : !x -> !x
  %w = fsdp.wait %p : !fsdp.pending<!w> -> !w
  %dw = onnx.matmul %x, %dy {transA} : !x, !x -> !w
  %dx = onnx.matmul %dy, %w {transB} : !x, !w -> !x
  fsdp.release "h.0" line 0(%w) : !w
  %c = onnx.exp %dx : !x -> !x
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (!w) -> !fsdp.pending<!s0>
  %g = fsdp.wait %q : !fsdp.pending<!s0> -> !s0
  return %dx, %c : !x, !x
}

// -----

// Tests that a gradient which reads a gathered parameter stays before its
// release.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.wait
// CHECK-NEXT: onnx.mul
// CHECK-NEXT: onnx.matmul
// CHECK-NEXT: fsdp.release
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<8x8xf32> at 0]>
!s0 = !fsdp.sharded<tensor<8x8xf32>, #layout, 0>
!w = tensor<8x8xf32>
func.func @step(%x: !w, %p: !fsdp.pending<!w>) -> !w {
  train.backward_begin
  %w = fsdp.wait %p : !fsdp.pending<!w> -> !w
  %dw = onnx.mul %x, %w : !w, !w -> !w
  %dx = onnx.matmul %x, %w {transB} : !w, !w -> !w
  fsdp.release "h.0" line 0(%w) : !w
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (!w) -> !fsdp.pending<!s0>
  %g = fsdp.wait %q : !fsdp.pending<!s0> -> !s0
  return %dx : !w
}

// -----

// Tests that a part of a gradient stays before an op that reads it together with
// a gathered parameter.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.wait
// CHECK-NEXT: onnx.matmul {{.*}}transA
// CHECK-NEXT: onnx.mul
// CHECK-NEXT: onnx.matmul {{.*}}transB
// CHECK-NEXT: fsdp.release
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<8x8xf32> at 0]>
!s0 = !fsdp.sharded<tensor<8x8xf32>, #layout, 0>
!w = tensor<8x8xf32>
func.func @step(%x: !w, %p: !fsdp.pending<!w>) -> !w {
  train.backward_begin
  %w = fsdp.wait %p : !fsdp.pending<!w> -> !w
  %part = onnx.matmul %x, %x {transA} : !w, !w -> !w
  %dw = onnx.mul %part, %w : !w, !w -> !w
  %dx = onnx.matmul %x, %w {transB} : !w, !w -> !w
  fsdp.release "h.0" line 0(%w) : !w
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (!w) -> !fsdp.pending<!s0>
  %g = fsdp.wait %q : !fsdp.pending<!s0> -> !s0
  return %dx : !w
}
