// RUN: fsdp-opt %s -o %t.mlir && FileCheck %s < %t.mlir
// RUN: fsdp-opt %t.mlir | diff %t.mlir -
// RUN: fsdp-opt %s --mlir-print-op-generic | fsdp-opt | diff %t.mlir -

// Tests that printing and parsing give the same program, in the custom and in
// the generic form, and that meshes and layouts are printed through aliases.
// CHECK-DAG: #[[MESH:mesh.*]] = #fsdp.mesh<"replicate" = 2, "shard" = 4>
// CHECK-DAG: #[[FLAT:layout.*]] = #fsdp.layout<flat over ["shard"] of #[[MESH]], [tensor<4x4xf32> at 0, tensor<3xf32> at 16]>
// CHECK-DAG: #[[ROWS:layout.*]] = #fsdp.layout<dim0 over ["replicate", "shard"] of #[[MESH]], [tensor<9x4xbf16> at 0]>
#mesh = #fsdp.mesh<"replicate" = 2, "shard" = 4>
#flat = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0, tensor<3xf32> at 16]>
#rows = #fsdp.layout<dim0 over ["replicate", "shard"] of #mesh, [tensor<9x4xbf16> at 0]>
#line = #fsdp.line<layout = #flat, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.9, decay = 0.1>>, #train.range<end = 19, rule = #train.sgd<momentum = 0.9, decay = 0.0, lr_scale = 0.5>>]>
!w = !fsdp.sharded<tensor<4x4xf32>, #flat, 0>
!b = !fsdp.sharded<tensor<3xf32>, #flat, 1>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.0.b" : tensor<3xf32>
// CHECK: fsdp.unit @h.0 lines [#fsdp.line<layout = #[[FLAT]], parameters = ["h.0.w", "h.0.b"], ranges = [<end = 16, rule = #train.sgd<momentum = 9.000000e-01 : f64, decay = 1.000000e-01 : f64>>, <end = 19, rule = #train.sgd<momentum = 9.000000e-01 : f64, decay = 0.000000e+00 : f64, lr_scale = 5.000000e-01 : f64>>]>]
fsdp.unit @"h.0" lines [#line]
// CHECK: fsdp.unit @h.1 lines [#fsdp.line<{{.*}}gather = bf16 reduce = bf16>, #fsdp.line<{{.*}}reduce = bf16>]
#half = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0], align = 32>
#both = #fsdp.line<layout = #half, parameters = ["h.1.a"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] gather = bf16 reduce = bf16>
#sum = #fsdp.line<layout = #half, parameters = ["h.1.b"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] reduce = bf16>
onnx.parameter @"h.1.a" : tensor<4xf32>
onnx.parameter @"h.1.b" : tensor<4xf32>
fsdp.unit @"h.1" lines [#both, #sum]
// CHECK: fsdp.unit @h.2 policy <> lines []
fsdp.unit @"h.2" policy <prefetch_forward = 1> lines []
// CHECK: fsdp.unit @h.3 policy <reshard_after_forward = false, prefetch_backward = 3> lines []
fsdp.unit @"h.3" policy <prefetch_backward = 3, reshard_after_forward = false> lines []

// CHECK-LABEL: func.func @step
// CHECK-SAME: !fsdp.sharded<tensor<9x4xbf16>, #[[ROWS]], 0>
// CHECK: fsdp.load "h.0" line 0{{$}}
// CHECK: %[[S:.*]]:2 = fsdp.shards "h.0" line 0 : !fsdp.sharded<tensor<4x4xf32>, #[[FLAT]], 0>, !fsdp.sharded<tensor<3xf32>, #[[FLAT]], 1>
// CHECK: %[[P:.*]] = fsdp.all_gather_start "h.0" line 0(%[[S]]#0, %[[S]]#1) over ["shard"]
// CHECK: %[[W:.*]]:2 = fsdp.wait %[[P]] : <tensor<4x4xf32>, tensor<3xf32>> -> tensor<4x4xf32>, tensor<3xf32>
// CHECK: %[[Q:.*]] = fsdp.reduce_scatter_start "h.0" line 0(%[[W]]#0, %[[W]]#1) over ["shard"]
// CHECK: fsdp.store "h.0" line 0(%[[W]]#0, %[[W]]#1) : tensor<4x4xf32>, tensor<3xf32>
// CHECK: fsdp.release "h.0" line 0(%[[W]]#0, %[[W]]#1) : tensor<4x4xf32>, tensor<3xf32>
// CHECK: %[[G:.*]]:2 = fsdp.wait %[[Q]]
// CHECK: fsdp.accumulate "h.0" line 0(%[[G]]#0, %[[G]]#1) at %{{.*}} : (!fsdp.sharded<tensor<4x4xf32>, #[[FLAT]], 0>, !fsdp.sharded<tensor<3xf32>, #[[FLAT]], 1>, tensor<f32>) -> (
// CHECK: fsdp.accumulate_gradients "h.0" line 0(%[[W]]#0) at %{{.*}} : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
// CHECK: %[[N:.*]] = fsdp.sum_of_squares %[[G]]#0, %[[G]]#1
// CHECK: fsdp.all_reduce %[[N]] over ["shard"] : tensor<f64>
// CHECK: fsdp.update "h.0" line 0(%[[G]]#0, %[[G]]#1) lr %{{.*}} step %{{.*}} clip %{{.*}} :
func.func @step(%rows: !fsdp.sharded<tensor<9x4xbf16>, #rows, 0>, %lr: tensor<f32>) {
  fsdp.load "h.0" line 0
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<4x4xf32>, tensor<3xf32>>
  %f:2 = fsdp.wait %p : <tensor<4x4xf32>, tensor<3xf32>> -> tensor<4x4xf32>, tensor<3xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%f#0, %f#1) over ["shard"] : (tensor<4x4xf32>, tensor<3xf32>) -> !fsdp.pending<!w, !b>
  fsdp.store "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<3xf32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<3xf32>
  %g:2 = fsdp.wait %q : <!w, !b> -> !w, !b
  %a:2 = fsdp.accumulate "h.0" line 0(%g#0, %g#1) at %lr : (!w, !b, tensor<f32>) -> (!w, !b)
  %whole = fsdp.accumulate_gradients "h.0" line 0(%f#0) at %lr : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  %n = fsdp.sum_of_squares %g#0, %g#1 : !w, !b -> tensor<f64>
  %all = fsdp.all_reduce %n over ["shard"] : tensor<f64>
  fsdp.update "h.0" line 0(%g#0, %g#1) lr %lr step %lr clip %lr : (!w, !b, tensor<f32>, tensor<f32>, tensor<f32>) -> ()
  return
}
