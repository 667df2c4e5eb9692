// RUN: fsdp-opt %s --fsdp-prefetch --split-input-file | FileCheck %s
// RUN: fsdp-opt %s --fsdp-apply-strategy="prefetch-forward=2,h.1=0 prefetch-backward=0" --fsdp-prefetch --split-input-file | FileCheck %s --check-prefix=RULES
// RUN: fsdp-opt %s --fsdp-apply-strategy="prefetch-forward=0 prefetch-backward=0" --fsdp-prefetch --split-input-file | FileCheck %s --check-prefix=OFF

// Tests that each unit starts the next one's gather behind its own wait, that
// the root's part of backward starts the first of backward, that the shards are
// read with the start, and that deeper rules allow more gathered units.
// CHECK-LABEL: func.func @step(
// CHECK: %[[P0:.*]] = fsdp.all_gather_start "h.0"
// CHECK-NEXT: %[[W0:.*]] = fsdp.wait %[[P0]]
// CHECK-NEXT: %[[S1:.*]] = fsdp.shards "h.1" line 0
// CHECK-NEXT: %[[P1:.*]] = fsdp.all_gather_start "h.1" line 0(%[[S1]])
// CHECK-NEXT: onnx.matmul %{{.*}}, %[[W0]]
// CHECK-NEXT: fsdp.release "h.0"
// CHECK-NEXT: %[[W1:.*]] = fsdp.wait %[[P1]]
// CHECK-NEXT: fsdp.shards "h.2" line 0
// CHECK-NEXT: %[[P2:.*]] = fsdp.all_gather_start "h.2"
// CHECK-NEXT: onnx.matmul %{{.*}}, %[[W1]]
// CHECK-NEXT: fsdp.release "h.1"
// CHECK-NEXT: fsdp.wait %[[P2]]
// CHECK-NEXT: onnx.matmul
// CHECK-NEXT: fsdp.release "h.2"
// CHECK-NEXT: train.backward_begin
// CHECK-NEXT: fsdp.shards "h.2" line 0
// CHECK-NEXT: %[[P2:.*]] = fsdp.all_gather_start "h.2"
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: fsdp.wait %[[P2]]
// CHECK-NEXT: fsdp.shards "h.1" line 0
// CHECK-NEXT: fsdp.all_gather_start "h.1"
// CHECK-NEXT: onnx.matmul
// CHECK-NEXT: fsdp.release "h.2"
// CHECK-NEXT: fsdp.wait
// CHECK-NEXT: onnx.matmul

// RULES-LABEL: func.func @step(
// RULES: fsdp.wait
// RULES-NEXT: fsdp.shards "h.1"
// RULES-NEXT: fsdp.all_gather_start "h.1"
// RULES-NEXT: fsdp.shards "h.2"
// RULES-NEXT: fsdp.all_gather_start "h.2"
// RULES-NEXT: onnx.matmul
// RULES-NEXT: fsdp.release "h.0"
// RULES-NEXT: fsdp.wait
// RULES-NEXT: onnx.matmul
// RULES: train.backward_begin
// RULES-NEXT: onnx.exp
// RULES-NEXT: fsdp.shards "h.2"
// RULES-NEXT: fsdp.all_gather_start "h.2"
// RULES-NEXT: fsdp.wait

// OFF-LABEL: func.func @step(
// OFF: fsdp.release "h.0"
// OFF-NEXT: fsdp.shards "h.1"
// OFF-NEXT: fsdp.all_gather_start "h.1"
// OFF-NEXT: fsdp.wait
// OFF: train.backward_begin
// OFF-NEXT: onnx.exp
// OFF-NEXT: fsdp.shards "h.2"
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
!s = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!t = tensor<4x4xf32>
module {
  onnx.parameter @"h.0.w" : tensor<4x4xf32>
  onnx.parameter @"h.1.w" : tensor<4x4xf32>
  onnx.parameter @"h.2.w" : tensor<4x4xf32>
  fsdp.unit @"(root)" root lines []
  fsdp.unit @"h.0" lines [#fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
  fsdp.unit @"h.1" lines [#fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
  fsdp.unit @"h.2" lines [#fsdp.line<layout = #layout, parameters = ["h.2.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
  func.func @step(%x: !t) -> !t {
    %s0 = fsdp.shards "h.0" line 0 : !s
    %p0 = fsdp.all_gather_start "h.0" line 0(%s0) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w0 = fsdp.wait %p0 : !fsdp.pending<!t> -> !t
    %a = onnx.matmul %x, %w0 : !t, !t -> !t
    fsdp.release "h.0" line 0(%w0) : !t
    %s1 = fsdp.shards "h.1" line 0 : !s
    %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w1 = fsdp.wait %p1 : !fsdp.pending<!t> -> !t
    %b = onnx.matmul %a, %w1 : !t, !t -> !t
    fsdp.release "h.1" line 0(%w1) : !t
    %s2 = fsdp.shards "h.2" line 0 : !s
    %p2 = fsdp.all_gather_start "h.2" line 0(%s2) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w2 = fsdp.wait %p2 : !fsdp.pending<!t> -> !t
    %c = onnx.matmul %b, %w2 : !t, !t -> !t
    fsdp.release "h.2" line 0(%w2) : !t
    train.backward_begin
    %d = onnx.exp %c : !t -> !t
    %s3 = fsdp.shards "h.2" line 0 : !s
    %p3 = fsdp.all_gather_start "h.2" line 0(%s3) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w3 = fsdp.wait %p3 : !fsdp.pending<!t> -> !t
    %e = onnx.matmul %d, %w3 {transB} : !t, !t -> !t
    fsdp.release "h.2" line 0(%w3) : !t
    %s4 = fsdp.shards "h.1" line 0 : !s
    %p4 = fsdp.all_gather_start "h.1" line 0(%s4) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w4 = fsdp.wait %p4 : !fsdp.pending<!t> -> !t
    %f = onnx.matmul %e, %w4 {transB} : !t, !t -> !t
    fsdp.release "h.1" line 0(%w4) : !t
    return %f : !t
  }
}

// -----

// Tests that a unit that is visited twice is prefetched for each visit by the
// unit before it.
// CHECK-LABEL: func.func @step(
// CHECK-COUNT-1: fsdp.all_gather_start "h.0"
// CHECK-NEXT: fsdp.wait
// CHECK-NEXT: fsdp.shards "h.1"
// CHECK-NEXT: fsdp.all_gather_start "h.1"
// CHECK: fsdp.release "h.0"
// CHECK-NEXT: fsdp.wait
// CHECK-NEXT: fsdp.shards "h.0"
// CHECK-NEXT: %[[AGAIN:.*]] = fsdp.all_gather_start "h.0"
// CHECK: fsdp.release "h.1"
// CHECK-NEXT: fsdp.wait %[[AGAIN]]
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
!s = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!t = tensor<4x4xf32>
module {
  onnx.parameter @"h.0.w" : tensor<4x4xf32>
  onnx.parameter @"h.1.w" : tensor<4x4xf32>
  fsdp.unit @"(root)" root lines []
  fsdp.unit @"h.0" lines [#fsdp.line<layout = #layout, parameters = ["h.0.w"]>]
  fsdp.unit @"h.1" lines [#fsdp.line<layout = #layout, parameters = ["h.1.w"]>]
  func.func @step(%x: !t) -> !t {
    %s0 = fsdp.shards "h.0" line 0 : !s
    %p0 = fsdp.all_gather_start "h.0" line 0(%s0) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w0 = fsdp.wait %p0 : !fsdp.pending<!t> -> !t
    %x1 = onnx.matmul %x, %w0 : !t, !t -> !t
    fsdp.release "h.0" line 0(%w0) : !t
    %s1 = fsdp.shards "h.1" line 0 : !s
    %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w1 = fsdp.wait %p1 : !fsdp.pending<!t> -> !t
    %x2 = onnx.matmul %x1, %w1 : !t, !t -> !t
    fsdp.release "h.1" line 0(%w1) : !t
    %s2 = fsdp.shards "h.0" line 0 : !s
    %p2 = fsdp.all_gather_start "h.0" line 0(%s2) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w2 = fsdp.wait %p2 : !fsdp.pending<!t> -> !t
    %x3 = onnx.matmul %x2, %w2 : !t, !t -> !t
    fsdp.release "h.0" line 0(%w2) : !t
    train.backward_begin
    return %x3 : !t
  }
}

// -----

// Tests that a unit that stayed gathered starts the next gather of backward
// while it computes, not the one before it, and is none that is gathered.
// CHECK-LABEL: func.func @step(
// CHECK: train.backward_begin
// CHECK-NEXT: onnx.exp
// CHECK-NEXT: fsdp.shards "h.0"
// CHECK-NEXT: %[[BACK:.*]] = fsdp.all_gather_start "h.0"
// CHECK-NEXT: onnx.matmul
// CHECK-NEXT: fsdp.release "h.1"
// CHECK-NEXT: fsdp.wait %[[BACK]]
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
!s = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!t = tensor<4x4xf32>
module {
  onnx.parameter @"h.0.w" : tensor<4x4xf32>
  onnx.parameter @"h.1.w" : tensor<4x4xf32>
  fsdp.unit @"(root)" root lines []
  fsdp.unit @"h.0" lines [#fsdp.line<layout = #layout, parameters = ["h.0.w"]>]
  fsdp.unit @"h.1" policy <reshard_after_forward = false> lines [#fsdp.line<layout = #layout, parameters = ["h.1.w"]>]
  func.func @step(%x: !t) -> !t {
    %s0 = fsdp.shards "h.0" line 0 : !s
    %p0 = fsdp.all_gather_start "h.0" line 0(%s0) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w0 = fsdp.wait %p0 : !fsdp.pending<!t> -> !t
    %a = onnx.matmul %x, %w0 : !t, !t -> !t
    fsdp.release "h.0" line 0(%w0) : !t
    %s1 = fsdp.shards "h.1" line 0 : !s
    %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w1 = fsdp.wait %p1 : !fsdp.pending<!t> -> !t
    %b = onnx.matmul %a, %w1 : !t, !t -> !t
    train.backward_begin
    %c = onnx.exp %b : !t -> !t
    %d = onnx.matmul %c, %w1 {transB} : !t, !t -> !t
    fsdp.release "h.1" line 0(%w1) : !t
    %s2 = fsdp.shards "h.0" line 0 : !s
    %p2 = fsdp.all_gather_start "h.0" line 0(%s2) over ["shard"] : (!s) -> !fsdp.pending<!t>
    %w2 = fsdp.wait %p2 : !fsdp.pending<!t> -> !t
    %e = onnx.matmul %d, %w2 {transB} : !t, !t -> !t
    fsdp.release "h.0" line 0(%w2) : !t
    return %e : !t
  }
}
