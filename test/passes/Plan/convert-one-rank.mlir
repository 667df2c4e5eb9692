// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --split-input-file | FileCheck %s

// Tests that one rank reads its shards and updates by its gradients where they
// are: no collective, no copy, no second buffer, also when it saves.
// CHECK-DAG: fsdprt.buffer [[SHARD:[0-9]+]] "h.0 parameters" shard unit "h.0" phase "" bytes 128
// CHECK-DAG: fsdprt.buffer [[GRADS:[0-9]+]] "h.0 gradients" gradient unit "h.0" phase "step" bytes 128
// CHECK-NOT: "h.0 gathered"
// CHECK-NOT: "h.0 reduced"
// CHECK-NOT: scratch
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK-NEXT: fsdprt.gemm "matmul" {{.*}}#fsdprt.arg<read [[SHARD]][0 : 64]>
// CHECK-NOT: wait
// CHECK: fsdprt.gemm "matmul" {{.*}}#fsdprt.arg<write [[GRADS]][0 : 64]>
// CHECK: fsdprt.fill "zero_padding" byte 0 on compute [#fsdprt.arg<write [[GRADS]][80 : 48]>]
// CHECK-NEXT: fsdprt.launch "sum_of_squares" {{.*}} on compute [#fsdprt.arg<read [[GRADS]][0 : 128]>
// CHECK-NEXT: fsdprt.launch "sgd" {{.*}} on compute [#fsdprt.arg<read [[SHARD]][0 : 128]>, #fsdprt.arg<read [[GRADS]][0 : 128]>, {{.*}}#fsdprt.arg<write [[SHARD]][0 : 128]>]
// CHECK-NOT: wait
// CHECK-LABEL: fsdprt.phase @export runs save
// CHECK-NEXT: fsdprt.store "store" 0 line 0 on compute [#fsdprt.arg<read [[SHARD]][0 : 128]>]
#mesh = #fsdp.mesh<"shard" = 1>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0, tensor<4xf32> at 16]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 20, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!w = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<4xf32>, #layout, 1>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.0.b" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4x4xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"})
    -> (tensor<f32> {train.role = "loss"}) {
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<4x4xf32>, tensor<4xf32>>
  %f:2 = fsdp.wait %p : <tensor<4x4xf32>, tensor<4xf32>> -> tensor<4x4xf32>, tensor<4xf32>
  %y = onnx.matmul %x, %f#0 : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %z = onnx.add %y, %f#1 : tensor<4x4xf32>, tensor<4xf32> -> tensor<4x4xf32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<4xf32>
  %part = onnx.reduce_sum %z [0, 1] keepdims false : tensor<4x4xf32> -> tensor<f32>
  %loss = fsdp.all_reduce %part over ["shard"] : tensor<f32>
  train.backward_begin
  %dw = onnx.matmul %x, %z {transA} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %db = onnx.reduce_sum %z [0] keepdims false : tensor<4x4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw, %db) over ["shard"] : (tensor<4x4xf32>, tensor<4xf32>) -> !fsdp.pending<!w, !b>
  %g:2 = fsdp.wait %q : <!w, !b> -> !w, !b
  %norm = fsdp.sum_of_squares %g#0, %g#1 : !w, !b -> tensor<f64>
  fsdp.update "h.0" line 0(%g#0, %g#1) lr %lr step %lr : (!w, !b, tensor<f32>, tensor<f32>) -> ()
  return %loss : tensor<f32>
}
func.func @export() {
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<4x4xf32>, tensor<4xf32>>
  %f:2 = fsdp.wait %p : <tensor<4x4xf32>, tensor<4xf32>> -> tensor<4x4xf32>, tensor<4xf32>
  fsdp.store "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<4xf32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<4xf32>
  return
}

// -----

// Tests that what is read after the update is gathered: the shard is new by
// then.
// CHECK: fsdprt.buffer [[SHARD:[0-9]+]] "h.0 parameters" shard
// CHECK: fsdprt.buffer [[FULL:[0-9]+]] "h.0 gathered" gathered unit "h.0" phase "step" bytes 128
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK-NEXT: fsdprt.all_gather "all_gather" {{.*}}[#fsdprt.arg<read [[SHARD]][0 : 128]>, #fsdprt.arg<write [[FULL]][0 : 128]>]
// CHECK: fsdprt.launch "sgd"
// CHECK: fsdprt.gemm "matmul" {{.*}}#fsdprt.arg<read [[FULL]][0 : 64]>
#mesh = #fsdp.mesh<"shard" = 1>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0, tensor<4xf32> at 16]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 20, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!w = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<4xf32>, #layout, 1>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.0.b" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4x4xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"})
    -> (tensor<f32> {train.role = "loss"}, tensor<f32> {train.role = "grad_norm"}) {
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<4x4xf32>, tensor<4xf32>>
  %f:2 = fsdp.wait %p : <tensor<4x4xf32>, tensor<4xf32>> -> tensor<4x4xf32>, tensor<4xf32>
  %y = onnx.matmul %x, %f#0 : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %z = onnx.add %y, %f#1 : tensor<4x4xf32>, tensor<4xf32> -> tensor<4x4xf32>
  %part = onnx.reduce_sum %z [0, 1] keepdims false : tensor<4x4xf32> -> tensor<f32>
  %loss = fsdp.all_reduce %part over ["shard"] : tensor<f32>
  train.backward_begin
  %dw = onnx.matmul %x, %z {transA} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %db = onnx.reduce_sum %z [0] keepdims false : tensor<4x4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw, %db) over ["shard"] : (tensor<4x4xf32>, tensor<4xf32>) -> !fsdp.pending<!w, !b>
  %g:2 = fsdp.wait %q : <!w, !b> -> !w, !b
  fsdp.update "h.0" line 0(%g#0, %g#1) lr %lr step %lr : (!w, !b, tensor<f32>, tensor<f32>) -> ()
  %again = onnx.matmul %x, %f#0 : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %last = onnx.reduce_sum %again [0, 1] keepdims false : tensor<4x4xf32> -> tensor<f32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<4xf32>
  return %loss, %last : tensor<f32>, tensor<f32>
}
func.func @export() {
  %s:2 = fsdp.shards "h.0" line 0 : !w, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!w, !b) -> !fsdp.pending<tensor<4x4xf32>, tensor<4xf32>>
  %f:2 = fsdp.wait %p : <tensor<4x4xf32>, tensor<4xf32>> -> tensor<4x4xf32>, tensor<4xf32>
  fsdp.store "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<4xf32>
  fsdp.release "h.0" line 0(%f#0, %f#1) : tensor<4x4xf32>, tensor<4xf32>
  return
}
