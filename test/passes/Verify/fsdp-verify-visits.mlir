// RUN: fsdp-opt %s --fsdp-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that a unit may be gathered again, for another visit, once it is released.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#first = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
#second = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!pending = !fsdp.pending<tensor<4xf32>>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#first]
fsdp.unit @"h.1" lines [#second]
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %s0 = fsdp.shards "h.0" line 0 : !shard
  %p0 = fsdp.all_gather_start "h.0" line 0(%s0) over ["shard"] : (!shard) -> !pending
  %w0 = fsdp.wait %p0 : !pending -> tensor<4xf32>
  %s1 = fsdp.shards "h.1" line 0 : !shard
  %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!shard) -> !pending
  %x1 = onnx.add %x, %w0 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w0) : tensor<4xf32>
  %w1 = fsdp.wait %p1 : !pending -> tensor<4xf32>
  %s2 = fsdp.shards "h.0" line 0 : !shard
  %p2 = fsdp.all_gather_start "h.0" line 0(%s2) over ["shard"] : (!shard) -> !pending
  %x2 = onnx.add %x1, %w1 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.1" line 0(%w1) : tensor<4xf32>
  %w2 = fsdp.wait %p2 : !pending -> tensor<4xf32>
  %x3 = onnx.add %x2, %w2 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w2) : tensor<4xf32>
  return %x3 : tensor<4xf32>
}

// -----

// Tests that fsdp_v5 rejects this: a unit that is gathered for two visits at
// once counts twice.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#first = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
#second = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!pending = !fsdp.pending<tensor<4xf32>>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#first]
fsdp.unit @"h.1" lines [#second]
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %s0 = fsdp.shards "h.0" line 0 : !shard
  %p0 = fsdp.all_gather_start "h.0" line 0(%s0) over ["shard"] : (!shard) -> !pending
  %w0 = fsdp.wait %p0 : !pending -> tensor<4xf32>
  %s1 = fsdp.shards "h.1" line 0 : !shard
  %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!shard) -> !pending
  %s2 = fsdp.shards "h.0" line 0 : !shard
  // expected-error @+1 {{gathers unit 'h.0' while 2 others are gathered (fsdp_v5)}}
  %p2 = fsdp.all_gather_start "h.0" line 0(%s2) over ["shard"] : (!shard) -> !pending
  %x1 = onnx.add %x, %w0 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w0) : tensor<4xf32>
  %w1 = fsdp.wait %p1 : !pending -> tensor<4xf32>
  %x2 = onnx.add %x1, %w1 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.1" line 0(%w1) : tensor<4xf32>
  %w2 = fsdp.wait %p2 : !pending -> tensor<4xf32>
  %x3 = onnx.add %x2, %w2 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w2) : tensor<4xf32>
  return %x3 : tensor<4xf32>
}
