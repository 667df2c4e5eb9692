// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt | FileCheck %s

// Tests that a line cut between rows is gathered and reduced by one collective
// with a segment for each parameter: 3 of 5 rows, 2 of 4 elements a rank. A
// parameter begins at twice its place in the rank's line; kernels read it and
// write its gradient there, in one piece, and padding is zeroed behind each.
// CHECK-DAG: fsdprt.buffer [[SHARD:[0-9]+]] "h.0 parameters" shard unit "h.0" phase "" bytes 128
// CHECK-DAG: fsdprt.buffer [[X:[0-9]+]] "tokens" input
// CHECK-DAG: fsdprt.buffer [[FULL:[0-9]+]] "h.0 gathered" gathered unit "h.0" phase "step" bytes 256
// CHECK-DAG: fsdprt.buffer [[GRADS:[0-9]+]] "h.0 gradients" gradient unit "h.0" phase "step" bytes 256
// CHECK-DAG: fsdprt.buffer [[REDUCED:[0-9]+]] "h.0 reduced" reduced unit "h.0" phase "step" bytes 128
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: fsdprt.all_gather "all_gather" f32 count 32 payload 96 segments [0, 12, 16, 2] by 0 on gather [#fsdprt.arg<read [[SHARD]][0 : 128]>, #fsdprt.arg<write [[FULL]][0 : 256]>]
// CHECK: fsdprt.gemm "matmul" {{.*}}#fsdprt.arg<read [[FULL]][0 : 80]>
// CHECK: fsdprt.launch {{.*}}#fsdprt.arg<read [[FULL]][128 : 16]>
// CHECK: fsdprt.gemm "matmul" {{.*}}#fsdprt.arg<write [[GRADS]][0 : 80]>
// CHECK: fsdprt.launch {{.*}}#fsdprt.arg<write [[GRADS]][128 : 16]>
// CHECK-NOT: fsdprt.copy
// CHECK: fsdprt.fill "zero_padding" byte 0 on compute [#fsdprt.arg<write [[GRADS]][80 : 48]>]
// CHECK: fsdprt.fill "zero_padding" byte 0 on compute [#fsdprt.arg<write [[GRADS]][144 : 112]>]
// CHECK: fsdprt.reduce_scatter "reduce_scatter" f32 count 32 payload 96 segments [0, 12, 16, 2] by 1 on reduce [#fsdprt.arg<read [[GRADS]][0 : 256]>, #fsdprt.arg<write [[REDUCED]][0 : 128]>, #fsdprt.arg<scratch {{[0-9]+}}[0 : 256]>]
// CHECK-LABEL: fsdprt.phase @export runs save
// CHECK: fsdprt.all_gather {{.*}}segments [0, 12, 16, 2]
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<dim0 over ["shard"] of #mesh, [tensor<5x4xf32> at 0, tensor<4xf32> at 16]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.1>>, #train.range<end = 18, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!w = !fsdp.sharded<tensor<5x4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<4xf32>, #layout, 1>
onnx.parameter @"h.0.w" : tensor<5x4xf32>
onnx.parameter @"h.0.b" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4x5xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"})
    -> (tensor<f32> {train.role = "loss"}) {
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<5x4xf32>, tensor<4xf32>>
  %f:2 = fsdp.wait %p : <tensor<5x4xf32>, tensor<4xf32>> -> tensor<5x4xf32>, tensor<4xf32>
  %y = onnx.matmul %x, %f#0 : tensor<4x5xf32>, tensor<5x4xf32> -> tensor<4x4xf32>
  %z = onnx.add %y, %f#1 : tensor<4x4xf32>, tensor<4xf32> -> tensor<4x4xf32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<5x4xf32>, tensor<4xf32>
  %loss = onnx.reduce_sum %z [0, 1] keepdims false : tensor<4x4xf32> -> tensor<f32>
  train.backward_begin
  %dw = onnx.matmul %x, %z {transA} : tensor<4x5xf32>, tensor<4x4xf32> -> tensor<5x4xf32>
  %db = onnx.reduce_sum %z [0] keepdims false : tensor<4x4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw, %db) over ["shard"] : (tensor<5x4xf32>, tensor<4xf32>) -> !fsdp.pending<!w, !b>
  %g:2 = fsdp.wait %q : <!w, !b> -> !w, !b
  fsdp.update "h.0" line 0(%g#0, %g#1) lr %lr step %lr : (!w, !b, tensor<f32>, tensor<f32>) -> ()
  return %loss : tensor<f32>
}
func.func @export() {
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<5x4xf32>, tensor<4xf32>>
  %f:2 = fsdp.wait %p : <tensor<5x4xf32>, tensor<4xf32>> -> tensor<5x4xf32>, tensor<4xf32>
  fsdp.store "h.0" line 0(%f#0, %f#1) : tensor<5x4xf32>, tensor<4xf32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<5x4xf32>, tensor<4xf32>
  return
}
