// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --split-input-file --verify-diagnostics | FileCheck %s

// Tests that a unit's line is gathered into one buffer that products read
// parts of, that a gradient is computed where the reduce-scatter reads it, that
// collectives run on their own streams between events, and that the update
// works on shards and states in place.
// CHECK-DAG: fsdprt.buffer [[SHARD:[0-9]+]] "h.0 parameters" shard unit "h.0" phase "" bytes 64
// CHECK-DAG: fsdprt.buffer [[MOMENTUM:[0-9]+]] "h.0 momentum_buffer" optimizer unit "h.0" phase "" bytes 64 {{.*}}{line = 0 : i64, state = "momentum_buffer", type = tensor<16xf32>}
// CHECK-DAG: fsdprt.buffer [[X:[0-9]+]] "tokens" input {{.*}} bytes 64 {{.*}}role = "tokens"
// CHECK-DAG: fsdprt.buffer [[LR:[0-9]+]] "lr" scalar {{.*}}role = "lr"
// CHECK-DAG: fsdprt.buffer [[LOSS:[0-9]+]] "loss" scalar {{.*}}role = "loss"
// CHECK-DAG: fsdprt.buffer [[FULL:[0-9]+]] "h.0 gathered" gathered unit "h.0" phase "step" bytes 128
// CHECK-DAG: fsdprt.buffer [[GRADS:[0-9]+]] "h.0 gradients" gradient unit "h.0" phase "step" bytes 128
// CHECK-DAG: fsdprt.buffer [[REDUCED:[0-9]+]] "h.0 reduced" reduced unit "h.0" phase "step" bytes 64
// CHECK-DAG: fsdprt.communicator [[GATHERER:[0-9]+]] "gather" over ["shard"] of [2] on gather
// CHECK-DAG: fsdprt.communicator [[REDUCER:[0-9]+]] "reduce" over ["shard"] of [2] on reduce
// CHECK-NOT: func.func
// CHECK-LABEL: fsdprt.phase @init runs once
// CHECK: fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write [[SHARD]]
// CHECK: fsdprt.fill "zero_state" byte 0 on compute [#fsdprt.arg<write [[MOMENTUM]]
// CHECK: fsdprt.join
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: %[[GATHER:.*]] = fsdprt.all_gather "all_gather" f32 count 16 payload 80 by [[GATHERER]] on gather [#fsdprt.arg<read [[SHARD]][0 : 64]>, #fsdprt.arg<write [[FULL]][0 : 128]>]
// CHECK: fsdprt.gemm "matmul" f32 to f32 accumulate false 4 x 4 x 4 {{.*}} on compute [#fsdprt.arg<read [[X]][0 : 64]>, #fsdprt.arg<read [[FULL]][0 : 64]>, #fsdprt.arg<write {{[0-9]+}}[0 : 64]>] wait(%[[GATHER]])
// CHECK: fsdprt.gemm "matmul" {{.*}}#fsdprt.arg<write [[GRADS]][0 : 64]>
// CHECK: fsdprt.launch {{.*}}#fsdprt.arg<write [[GRADS]][64 : 16]>
// CHECK: %[[READY:.*]] = fsdprt.fill "zero_padding" byte 0 on compute [#fsdprt.arg<write [[GRADS]][80 : 48]>]
// CHECK: %[[REDUCE:.*]] = fsdprt.reduce_scatter "reduce_scatter" f32 count 16 payload 80 by [[REDUCER]] on reduce [#fsdprt.arg<read [[GRADS]][0 : 128]>, #fsdprt.arg<write [[REDUCED]][0 : 64]>, #fsdprt.arg<scratch {{[0-9]+}}[0 : 128]>] wait(%[[READY]])
// CHECK: fsdprt.launch "sgd" {{.*}} on compute [#fsdprt.arg<read [[SHARD]][0 : 64]>, #fsdprt.arg<read [[REDUCED]][0 : 64]>, #fsdprt.arg<read [[MOMENTUM]][0 : 64]>, #fsdprt.arg<read [[LR]][0 : 4]>, {{.*}}#fsdprt.arg<write [[SHARD]][0 : 64]>, #fsdprt.arg<write [[MOMENTUM]][0 : 64]>] wait(%[[REDUCE]])
// CHECK: fsdprt.copy "result" {{.*}}#fsdprt.arg<write [[LOSS]][0 : 4]>
// CHECK-NEXT: fsdprt.join
// CHECK-LABEL: fsdprt.phase @export runs save
// CHECK: fsdprt.all_gather
// CHECK: fsdprt.store "store" 0 line 0
// CHECK: fsdprt.join
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0, tensor<4xf32> at 16]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 20, rule = #train.sgd<momentum = 0.9, decay = 0.0>>]>
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
  %loss = onnx.reduce_sum %z [0, 1] keepdims false : tensor<4x4xf32> -> tensor<f32>
  train.backward_begin
  %dw = onnx.matmul %x, %z {transA} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %db = onnx.reduce_sum %z [0] keepdims false : tensor<4x4xf32> -> tensor<4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw, %db) over ["shard"] : (tensor<4x4xf32>, tensor<4xf32>) -> !fsdp.pending<!w, !b>
  %g:2 = fsdp.wait %q : <!w, !b> -> !w, !b
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

// Tests that a module without its phases is refused, with one error.
// expected-error @+1 {{module has no function 'init', which this stage works on}}
module {
}
