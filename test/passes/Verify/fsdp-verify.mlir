// RUN: fsdp-opt %s --fsdp-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that a good step passes: the programs below differ from it by the one
// thing that their rule forbids.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v1 rejects this: a parameter stands in two lines.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
// expected-error @+1 {{holds parameter "h.0.w", which another line holds as well (fsdp_v1)}}
fsdp.unit @"h.0" lines [#line, #line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v2 rejects this: a gather is never waited for.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  // expected-error @+1 {{is waited for 0 times, expected once (fsdp_v2)}}
  %p0 = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v2 rejects this: a gather is waited for twice.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  // expected-error @+1 {{is waited for 2 times, expected once (fsdp_v2)}}
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %w0 = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v2 rejects this: a reduction is never waited for.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  // expected-error @+1 {{is waited for 0 times, expected once (fsdp_v2)}}
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  return
}

// -----

// Tests that fsdp_v3 rejects this: a gathered parameter is never released.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  // expected-error @+1 {{gathers unit 'h.0', which is never released (fsdp_v3)}}
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v3 rejects this: a gathered parameter is released twice.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  // expected-error @+1 {{releases what is not gathered (fsdp_v3)}}
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v3 rejects this: what was not gathered is released.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{releases what is not gathered (fsdp_v3)}}
  fsdp.release "h.0" line 0(%x) : tensor<4xf32>
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v4 rejects this: a parameter is read after its release.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  // expected-error @+1 {{reads a parameter of unit 'h.0' after its release (fsdp_v4)}}
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v4 rejects this: what is computed from a parameter alone is read after the
// release.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %t = onnx.exp %w : tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  // expected-error @+1 {{reads a parameter of unit 'h.0' after its release (fsdp_v4)}}
  %y = onnx.mul %x, %t : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v4 rejects this: what is computed from a parameter and a constant is read
// after the release.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %two = onnx.constant dense<2.0> : tensor<f32> : tensor<f32>
  %t = onnx.mul %two, %w : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  // expected-error @+1 {{reads a parameter of unit 'h.0' after its release (fsdp_v4)}}
  %y = onnx.mul %x, %t : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v4 rejects this: a chain over two units is read after the release of the
// second.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
#line1 = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
onnx.parameter @"h.1.w" : tensor<4xf32>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#line1]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %s1 = fsdp.shards "h.1" line 0 : !shard
  %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w1 = fsdp.wait %p1 : <tensor<4xf32>> -> tensor<4xf32>
  %t = onnx.mul %w, %w1 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.1" line 0(%w1) : tensor<4xf32>
  // expected-error @+1 {{reads a parameter of unit 'h.1' after its release (fsdp_v4)}}
  %y = onnx.mul %x, %t : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v5 rejects this: three units are gathered at once.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
#line2 = #fsdp.line<layout = #layout, parameters = ["h.2.w"]>
#line1 = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
onnx.parameter @"h.1.w" : tensor<4xf32>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#line1]
onnx.parameter @"h.2.w" : tensor<4xf32>
fsdp.unit @"h.2" lines [#line2]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %s1 = fsdp.shards "h.1" line 0 : !shard
  %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w1 = fsdp.wait %p1 : <tensor<4xf32>> -> tensor<4xf32>
  %s2 = fsdp.shards "h.2" line 0 : !shard
  // expected-error @+1 {{gathers unit 'h.2' while 2 others are gathered (fsdp_v5)}}
  %p2 = fsdp.all_gather_start "h.2" line 0(%s2) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w2 = fsdp.wait %p2 : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  fsdp.release "h.1" line 0(%w1) : tensor<4xf32>
  fsdp.release "h.2" line 0(%w2) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that three units may be gathered where one prefetches two units deep.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
#line2 = #fsdp.line<layout = #layout, parameters = ["h.2.w"]>
#line1 = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
module {
onnx.parameter @"h.1.w" : tensor<4xf32>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" policy <prefetch_backward = 2> lines [#line1]
onnx.parameter @"h.2.w" : tensor<4xf32>
fsdp.unit @"h.2" lines [#line2]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %s1 = fsdp.shards "h.1" line 0 : !shard
  %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w1 = fsdp.wait %p1 : <tensor<4xf32>> -> tensor<4xf32>
  %s2 = fsdp.shards "h.2" line 0 : !shard
  %p2 = fsdp.all_gather_start "h.2" line 0(%s2) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w2 = fsdp.wait %p2 : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  fsdp.release "h.1" line 0(%w1) : tensor<4xf32>
  fsdp.release "h.2" line 0(%w2) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}
}

// -----

// Tests that a root unit beside two gathered ones is allowed (fsdp_v5).
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
#line2 = #fsdp.line<layout = #layout, parameters = ["h.2.w"]>
#line1 = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
onnx.parameter @"h.1.w" : tensor<4xf32>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#line1]
onnx.parameter @"h.2.w" : tensor<4xf32>
fsdp.unit @"h.2" root lines [#line2]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s2 = fsdp.shards "h.2" line 0 : !shard
  %p2 = fsdp.all_gather_start "h.2" line 0(%s2) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w2 = fsdp.wait %p2 : <tensor<4xf32>> -> tensor<4xf32>
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %s1 = fsdp.shards "h.1" line 0 : !shard
  %p1 = fsdp.all_gather_start "h.1" line 0(%s1) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w1 = fsdp.wait %p1 : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  fsdp.release "h.1" line 0(%w1) : tensor<4xf32>
  fsdp.release "h.2" line 0(%w2) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v6 rejects this: a trainable line is reduced, but not updated.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
// expected-error @+1 {{line 0 is reduced 1 and updated 0 times, expected 1 (fsdp_v6)}}
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  return
}

// -----

// Tests that fsdp_v6 rejects this: a trainable line is neither reduced nor updated.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
// expected-error @+1 {{line 0 is reduced 0 and updated 0 times, expected 1 (fsdp_v6)}}
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  return
}

// -----

// Tests that fsdp_v6 rejects this: a line is reduced twice.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  // expected-error @+1 {{is not the only update after the only reduction of its line (fsdp_v6)}}
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v6 rejects this: a line is updated twice.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  // expected-error @+1 {{is not the only update after the only reduction of its line (fsdp_v6)}}
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v6 rejects this: a line is updated without a reduction.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %g = fsdp.shards "h.0" line 0 : !shard
  // expected-error @+1 {{is not the only update after the only reduction of its line (fsdp_v6)}}
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v6 rejects this: a line that is not trainable is reduced.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
// expected-error @+1 {{line 0 is reduced 1 and updated 0 times, expected 0 (fsdp_v6)}}
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  return
}

// -----

// Tests that fsdp_v7 rejects this: a whole parameter is read.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{works on a whole parameter (fsdp_v7)}}
  %whole = onnx.read @"h.0.w" : tensor<4xf32>
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v7 rejects this: a whole parameter is updated.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  // expected-error @+1 {{works on a whole parameter (fsdp_v7)}}
  train.update @"h.0.w", %x lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v8 rejects this: a line is gathered after its update, so that
// two uses of one step would see different values.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %q = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  %s = fsdp.shards "h.0" line 0 : !shard
  // expected-error @+1 {{gathers unit 'h.0' after its update (fsdp_v8)}}
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  return
}

// -----

// Tests that a step which sums all lines up over its microbatches is accepted.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#other = #fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#other]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  %q1 = fsdp.reduce_scatter_start "h.1" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g1 = fsdp.wait %q1 : <!shard> -> !shard
  train.update_begin
  %a0 = fsdp.accumulate "h.0" line 0(%g0) at %lr : (!shard, tensor<f32>) -> !shard
  %a1 = fsdp.accumulate "h.1" line 0(%g1) at %lr : (!shard, tensor<f32>) -> !shard
  fsdp.update "h.0" line 0(%a0) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  fsdp.update "h.1" line 0(%a1) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: the update goes on with what is summed up.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#other = #fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#other]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  %q1 = fsdp.reduce_scatter_start "h.1" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g1 = fsdp.wait %q1 : <!shard> -> !shard
  train.update_begin
  %a0 = fsdp.accumulate "h.0" line 0(%g0) at %lr : (!shard, tensor<f32>) -> !shard
  %a1 = fsdp.accumulate "h.1" line 0(%g1) at %lr : (!shard, tensor<f32>) -> !shard
  fsdp.update "h.0" line 0(%a0) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  // expected-error @+1 {{reads a gradient of one microbatch, expected the sum that 'fsdp.accumulate' makes of it (fsdp_v9)}}
  fsdp.update "h.1" line 0(%g1) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: the gradients of the last microbatch alone
// would update the second line.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#other = #fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
// expected-error @+1 {{line 0 is accumulated 0 times, expected 1 as others are (fsdp_v9)}}
fsdp.unit @"h.1" lines [#other]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  %q1 = fsdp.reduce_scatter_start "h.1" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g1 = fsdp.wait %q1 : <!shard> -> !shard
  train.update_begin
  %a0 = fsdp.accumulate "h.0" line 0(%g0) at %lr : (!shard, tensor<f32>) -> !shard
  fsdp.update "h.0" line 0(%a0) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  fsdp.update "h.1" line 0(%g1) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: it would run in the update.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#other = #fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#other]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  %q1 = fsdp.reduce_scatter_start "h.1" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g1 = fsdp.wait %q1 : <!shard> -> !shard
  train.update_begin
  %a0 = fsdp.accumulate "h.0" line 0(%g0) at %lr : (!shard, tensor<f32>) -> !shard
  %neg = onnx.neg %lr : tensor<f32> -> tensor<f32>
  // expected-error @+1 {{does not follow 'train.update_begin' or another one (fsdp_v9)}}
  %a1 = fsdp.accumulate "h.1" line 0(%g1) at %lr : (!shard, tensor<f32>) -> !shard
  fsdp.update "h.0" line 0(%a0) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  fsdp.update "h.1" line 0(%a1) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: only the last microbatch would be reduced.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#other = #fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
fsdp.unit @"h.1" lines [#other]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  train.update_begin
  // expected-error @+1 {{stands behind 'train.update_begin' (fsdp_v9)}}
  %q1 = fsdp.reduce_scatter_start "h.1" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g1 = fsdp.wait %q1 : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g0) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  fsdp.update "h.1" line 0(%g1) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that what whole gradients sum up to may be reduced once, behind the
// microbatches.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  train.update_begin
  %q = fsdp.reduce_scatter_start "h.0" line 0(%s) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: each microbatch would reduce the sums.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // expected-error @+1 {{stands before 'train.update_begin' (fsdp_v9)}}
  %q = fsdp.reduce_scatter_start "h.0" line 0(%s) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  train.update_begin
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: the last microbatch alone would be summed up.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  train.update_begin
  // expected-error @+1 {{stands behind 'train.update_begin' (fsdp_v9)}}
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%s) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: the second update would be a phase again.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  train.update_begin
  %q = fsdp.reduce_scatter_start "h.0" line 0(%s) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  // expected-error @+1 {{stands in 'step', expected once in 'step' (fsdp_v9)}}
  train.update_begin
  return
}

// -----

// Tests that fsdp_v9 rejects this: only a step has an update.
func.func @evaluate() {
  // expected-error @+1 {{stands in 'evaluate', expected once in 'step' (fsdp_v9)}}
  train.update_begin
  return
}

// -----

// Tests that fsdp_v9 rejects this: each microbatch would update.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %r = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %r : <!shard> -> !shard
  // expected-error @+1 {{stands before 'train.update_begin' (fsdp_v9)}}
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  train.update_begin
  return
}

// -----

// Tests that fsdp_v9 rejects this: what is reduced is not the sum alone.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %neg = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  train.update_begin
  // expected-error @+1 {{stands behind 'train.update_begin' (fsdp_v9)}}
  %q = fsdp.reduce_scatter_start "h.0" line 0(%neg) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v9 rejects this: one microbatch's gradient is reduced beside their sum.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.accumulate_gradients "h.0" line 0(%x) at %lr : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  train.update_begin
  // expected-error @+1 {{reads a gradient of one microbatch, expected the sum that 'fsdp.accumulate_gradients' makes of it (fsdp_v9)}}
  %q = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a step passes that gathers once for all its microbatches.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  train.microbatch_begin
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  train.update_begin
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v10 rejects this: it would not run for each microbatch.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  // expected-error @+1 {{stands before 'train.microbatch_begin', expected gathers alone (fsdp_v10)}}
  %neg = onnx.neg %x : tensor<4xf32> -> tensor<4xf32>
  train.microbatch_begin
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  train.update_begin
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v10 rejects this: each microbatch would gather.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  train.microbatch_begin
  %s = fsdp.shards "h.0" line 0 : !shard
  // expected-error @+1 {{stands behind 'train.microbatch_begin' (fsdp_v10)}}
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  train.update_begin
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that fsdp_v10 rejects this: a step has one beginning.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>, %lr: tensor<f32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  train.microbatch_begin
  // expected-error @+1 {{expected once in 'step', before 'train.update_begin' (fsdp_v10)}}
  train.microbatch_begin
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%y) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g = fsdp.wait %q : <!shard> -> !shard
  train.update_begin
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!shard, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that what is resharded after forward takes no memory between the
// directions.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @step(%x: tensor<4xf32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  // expected-error @+1 {{stands where unit 'h.0' is gathered, which is resharded after forward (fsdp_v11)}}
  train.backward_begin
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  return
}

// -----

// Tests that what is not resharded may be gathered there.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" policy <reshard_after_forward = false> lines [#line]
func.func @step(%x: tensor<4xf32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  train.backward_begin
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  return
}

// -----

// Tests that what is not resharded is gathered once.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" policy <reshard_after_forward = false> lines [#line]
func.func @step(%x: tensor<4xf32>) {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  %y = onnx.mul %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  train.backward_begin
  // expected-error @+1 {{gathers unit 'h.0' again, which is not resharded after forward (fsdp_v11)}}
  %q = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %v = fsdp.wait %q : <tensor<4xf32>> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%v) : tensor<4xf32>
  return
}
