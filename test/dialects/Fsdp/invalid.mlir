// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that a mesh names an axis once.
// expected-error @+1 {{mesh names axis "shard" twice (mesh_c1)}}
#mesh_c1 = #fsdp.mesh<"shard" = 2, "shard" = 4>

// -----

// Tests that a mesh's axes are not empty.
// expected-error @+1 {{mesh axis has size 0, expected at least 1 (mesh_c2)}}
#mesh_c2 = #fsdp.mesh<"shard" = 0>

// -----

// Tests that a layout's axes are the mesh's.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout names axis "data", which the mesh does not have (layout_c1)}}
#layout_c1 = #fsdp.layout<flat over ["data"] of #mesh, [tensor<4xf32> at 0]>

// -----

// Tests that a layout has an axis once.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout names axis "shard" twice (layout_c1)}}
#layout_c1 = #fsdp.layout<flat over ["shard", "shard"] of #mesh, [tensor<4xf32> at 0]>

// -----

// Tests that a layout holds one element type.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout holds 'tensor<4xf64>', expected a static tensor of 'f32' like the first (layout_c2)}}
#layout_c2_types = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf64> at 16]>

// -----

// Tests that a layout holds tensors.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout holds 'f32', expected a static tensor of 'f32' like the first (layout_c2)}}
#layout_c2_scalar = #fsdp.layout<flat over ["shard"] of #mesh, [f32 at 0]>

// -----

// Tests that a layout holds numbers.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout holds 'tensor<4xindex>', expected a static tensor of 'index' like the first (layout_c2)}}
#layout_c2_index = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xindex> at 0]>

// -----

// Tests that a layout holds static tensors.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout holds 'tensor<?xf32>', expected a static tensor of 'f32' like the first (layout_c2)}}
#layout_c2_dynamic = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<?xf32> at 0]>

// -----

// Tests that a layout is not empty.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout holds no parameter (layout_c2)}}
#layout_c2_empty = #fsdp.layout<flat over ["shard"] of #mesh, []>

// -----

// Tests that an alignment is a multiple of 64 bytes.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout is aligned to 24 elements, expected a multiple of 16 (layout_c4)}}
#layout_c4 = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0], align = 24>

// -----

// Tests that a line that is gathered in bf16 is aligned to 64 bytes of it.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
// expected-error @+1 {{line of 'f32' aligned to 16 elements is gathered or reduced in 'bf16', expected a floating type not wider, and 64 bytes of it (line_c1)}}
#line_c1 = #fsdp.line<layout = #layout, parameters = ["a"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] gather = bf16>

// -----

// Tests that gradients are not reduced in a wider type.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
// expected-error @+1 {{line of 'f32' aligned to 16 elements is gathered or reduced in 'f64', expected a floating type not wider, and 64 bytes of it (line_c1)}}
#line_c1_wide = #fsdp.line<layout = #layout, parameters = ["a"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] reduce = f64>

// -----

// Tests that a range of a line ends where a parameter begins.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
#rule = #train.sgd<momentum = 0.0, decay = 0.0>
// expected-error @+1 {{line has a range from 0 to 4, expected an end where a parameter begins, and the last at 19 (line_c2)}}
#line_c2 = #fsdp.line<layout = #layout, parameters = ["a", "b"], ranges = [#train.range<end = 4, rule = #rule>, #train.range<end = 19, rule = #rule>]>

// -----

// Tests that a line's ranges reach to its end.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
// expected-error @+1 {{line has a range from 0 to 16, expected an end where a parameter begins, and the last at 19 (line_c2)}}
#line_c2_short = #fsdp.line<layout = #layout, parameters = ["a", "b"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>

// -----

// Tests that parameters of rules with other states do not share a line.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
// expected-error @+1 {{line has rules with states [momentum_buffer] and [] (line_c3)}}
#line_c3 = #fsdp.line<layout = #layout, parameters = ["a", "b"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.9, decay = 0.0>>, #train.range<end = 19, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>

// -----

// Tests that offsets are multiples of 64 bytes.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout puts 'tensor<4xf32>' at 8, expected a multiple of 16 from 4 on (layout_c3)}}
#layout_c3_alignment = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf32> at 8]>

// -----

// Tests that parameters do not overlap.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout puts 'tensor<4xf32>' at 16, expected a multiple of 16 from 17 on (layout_c3)}}
#layout_c3_overlap = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<17xf32> at 0, tensor<4xf32> at 16]>

// -----

// Tests that offsets ascend.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout puts 'tensor<4xf32>' at 0, expected a multiple of 16 from 20 on (layout_c3)}}
#layout_c3_order = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 16, tensor<4xf32> at 0]>

// -----

// Tests that rows of a dim0 layout do not overlap.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{layout puts 'tensor<4xf32>' at 0, expected a multiple of 16 from 3 on (layout_c3)}}
#layout_c3_dim0 = #fsdp.layout<dim0 over ["shard"] of #mesh, [tensor<5xf32> at 0, tensor<4xf32> at 0]>

// -----

// Tests that there are two placements.
#mesh = #fsdp.mesh<"shard" = 2>
// expected-error @+1 {{unknown placement 'dim1', expected flat or dim0}}
#layout = #fsdp.layout<dim1 over ["shard"] of #mesh, [tensor<4xf32> at 0]>

// -----

// Tests that a shard has its place's type.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
// expected-error @+1 {{layout does not hold 'tensor<4xf32>' at place 1 (sharded_c1)}}
func.func private @sharded_c1(!fsdp.sharded<tensor<4xf32>, #layout, 1>)

// -----

// Tests that a shard has a place of its layout.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
// expected-error @+1 {{layout does not hold 'tensor<3xf32>' at place 2 (sharded_c1)}}
func.func private @sharded_c1(!fsdp.sharded<tensor<3xf32>, #layout, 2>)

// -----

// Tests that all parameters of a layout are gathered.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @all_gather_c1_all(%a: !a) {
  // expected-error @+1 {{has 1 shards, expected all 2 of the layout (all_gather_c1)}}
  %p = fsdp.all_gather_start "u" line 0(%a) over ["shard"] : (!a) -> !fsdp.pending<tensor<4xf32>>
  return
}

// -----

// Tests that parameters are gathered in the order of the layout.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @all_gather_c1_order(%a: !a, %b: !b) {
  // expected-error @+1 {{is not parameter 0 of the layout of the first (all_gather_c1)}}
  %p = fsdp.all_gather_start "u" line 0(%b, %a) over ["shard"] : (!b, !a) -> !fsdp.pending<tensor<4xf32>, tensor<3xf32>>
  return
}

// -----

// Tests that nothing is not gathered.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @all_gather_c1_none() {
  // expected-error @+1 {{has no shards (all_gather_c1)}}
  %p = fsdp.all_gather_start "u" line 0() over ["shard"] : () -> !fsdp.pending<tensor<4xf32>>
  return
}

// -----

// Tests that a gather gives the global types.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @all_gather_c2(%a: !a, %b: !b) {
  // expected-error @+1 {{does not match the global type 'tensor<4xf32>' of shard 0 (all_gather_c2)}}
  %p = fsdp.all_gather_start "u" line 0(%a, %b) over ["shard"] : (!a, !b) -> !fsdp.pending<tensor<2xf32>, tensor<3xf32>>
  return
}

// -----

// Tests that a gather gives all parameters.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @all_gather_c2_all(%a: !a, %b: !b) {
  // expected-error @+1 {{of shard 0 (all_gather_c2)}}
  %p = fsdp.all_gather_start "u" line 0(%a, %b) over ["shard"] : (!a, !b) -> !fsdp.pending<tensor<4xf32>>
  return
}

// -----

// Tests that a gather is over the layout's axes.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @all_gather_c3(%a: !a, %b: !b) {
  // expected-error @+1 {{is over ["data"], expected the layout's axes (all_gather_c3)}}
  %p = fsdp.all_gather_start "u" line 0(%a, %b) over ["data"] : (!a, !b) -> !fsdp.pending<tensor<4xf32>, tensor<3xf32>>
  return
}

// -----

// Tests that gradients have the global types.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @reduce_scatter_c1(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{gradients do not match parameter 0 of type 'tensor<4xf32>' (reduce_scatter_c1)}}
  %p = fsdp.reduce_scatter_start "u" line 0(%y, %x) over ["shard"] : (tensor<3xf32>, tensor<4xf32>) -> !fsdp.pending<!a, !b>
  return
}

// -----

// Tests that all gradients of a layout are reduced.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @reduce_scatter_c1_all(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{gradients do not match parameter 0 of type 'tensor<4xf32>' (reduce_scatter_c1)}}
  %p = fsdp.reduce_scatter_start "u" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!a, !b>
  return
}

// -----

// Tests that a reduction gives the shards of one layout.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @reduce_scatter_c2(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{is not parameter 0 of the layout of the first (reduce_scatter_c2)}}
  %p = fsdp.reduce_scatter_start "u" line 0(%x, %y) over ["shard"] : (tensor<4xf32>, tensor<3xf32>) -> !fsdp.pending<!b, !a>
  return
}

// -----

// Tests that a reduction gives shards.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @reduce_scatter_c2_tensor(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{shard 0 of type 'tensor<4xf32>' is not parameter 0 of the layout of the first (reduce_scatter_c2)}}
  %p = fsdp.reduce_scatter_start "u" line 0(%x, %y) over ["shard"] : (tensor<4xf32>, tensor<3xf32>) -> !fsdp.pending<tensor<4xf32>, tensor<3xf32>>
  return
}

// -----

// Tests that a reduction is over the layout's axes.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @reduce_scatter_c3(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{is over [], expected the layout's axes (reduce_scatter_c3)}}
  %p = fsdp.reduce_scatter_start "u" line 0(%x, %y) over [] : (tensor<4xf32>, tensor<3xf32>) -> !fsdp.pending<!a, !b>
  return
}

// -----

// Tests that a wait gives what was promised.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @wait_c1(%p: !fsdp.pending<tensor<4xf32>, tensor<3xf32>>) {
  // expected-error @+1 {{results do not match '!fsdp.pending<tensor<4xf32>, tensor<3xf32>>' (wait_c1)}}
  %w = fsdp.wait %p : <tensor<4xf32>, tensor<3xf32>> -> tensor<4xf32>
  return
}

// -----

// Tests that a line is updated whole.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @update_c1_all(%a: !a, %lr: tensor<f32>) {
  // expected-error @+1 {{has 1 shards, expected all 2 of the layout (update_c1)}}
  fsdp.update "u" line 0(%a) lr %lr step %lr : (!a, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that gradients are sharded as their line is.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
#other = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#line = #fsdp.line<layout = #other, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @u lines [#line]
func.func @update_c1(%a: !a, %b: !b, %lr: tensor<f32>) {
  // expected-error @+1 {{gradients are not sharded as those of line 0 of unit 'u' (update_c1)}}
  fsdp.update "u" line 0(%a, %b) lr %lr step %lr : (!a, !b, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a line without rules is not updated.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @u lines [#fsdp.line<layout = #layout, parameters = ["w"]>]
func.func @update_c2(%a: !a, %lr: tensor<f32>) {
  // expected-error @+1 {{updates line 0 of unit 'u', which has no rules (update_c2)}}
  fsdp.update "u" line 0(%a) lr %lr step %lr : (!a, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a unit lists as many parameters as its layout holds.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
#line = #fsdp.line<layout = #layout, parameters = ["w"], ranges = [#train.range<end = 19, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
// expected-error @+1 {{lists 1 parameters for a layout of 2 (unit_c1)}}
fsdp.unit @unit_c1_count lines [#line]

// -----

// Tests that a unit's parameters are declared.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
#line = #fsdp.line<layout = #layout, parameters = ["w", "b"], ranges = [#train.range<end = 19, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
// expected-error @+1 {{lists parameter "b" as 'tensor<3xf32>', which no onnx.parameter declares (unit_c1)}}
fsdp.unit @unit_c1_declared lines [#line]

// -----

// Tests that a unit's parameters have the types of its layout.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
#line = #fsdp.line<layout = #layout, parameters = ["w", "b"], ranges = [#train.range<end = 19, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
onnx.parameter @b : tensor<4xf32>
// expected-error @+1 {{lists parameter "b" as 'tensor<3xf32>', which no onnx.parameter declares (unit_c1)}}
fsdp.unit @unit_c1_type lines [#line]

// -----

// Tests that computing on a shard is a type error.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @shard_is_no_tensor(%a: !a) {
  // expected-error @+1 {{operand #0 must be statically shaped tensor}}
  %y = "onnx.exp"(%a) : (!a) -> tensor<4xf32>
  return
}

// -----

// Tests that accumulate_c1 rejects sums of another order.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<3xf32>, #layout, 1>
func.func @sums_in_another_order(%a: !a, %b: !b, %at: tensor<f32>) {
  // expected-error @+1 {{results do not have the gradients' types (accumulate_c1)}}
  %y:2 = fsdp.accumulate "h.0" line 0(%a, %b) at %at : (!a, !b, tensor<f32>) -> (!b, !a)
  return
}

// -----

// Tests that accumulate_c1 rejects a line without one of its parameters.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<3xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #layout, 0>
func.func @sums_of_a_part(%a: !a, %at: tensor<f32>) {
  // expected-error @+1 {{has 1 shards, expected all 2 of the layout (accumulate_c1)}}
  %y = fsdp.accumulate "h.0" line 0(%a) at %at : (!a, tensor<f32>) -> !a
  return
}

// -----

// Tests that accumulate_gradients_c1 rejects sums of another type.
func.func @sums_of_another_type(%g: tensor<4xf32>, %at: tensor<f32>) {
  // expected-error @+1 {{results do not have the gradients' types (accumulate_gradients_c1)}}
  %s = fsdp.accumulate_gradients "h.0" line 0(%g) at %at : (tensor<4xf32>, tensor<f32>) -> tensor<4xf64>
  return
}

// -----

// Tests policy_c1.
// expected-error @+1 {{policy prefetches 1 units in forward and -1 in backward, expected numbers of at least 0 (policy_c1)}}
#policy_c1 = #fsdp.policy<prefetch_backward = -1>
