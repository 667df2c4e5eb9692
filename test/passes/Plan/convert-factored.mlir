// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt | FileCheck %s

// Tests that moments of 5 rows and 4 columns, and of 4 elements, are one buffer
// that is zero at first and the same on both ranks: the update sums squares over
// the ranks, 13 of them and one block of each parameter, moves the moments, sums
// the squares of what they make, and writes the shard.
// CHECK-DAG: fsdprt.buffer [[SHARD:[0-9]+]] "h.0 parameters" shard unit "h.0" phase "" bytes 128
// CHECK-DAG: fsdprt.buffer [[MOMENTS:[0-9]+]] "h.0 factors" optimizer unit "h.0" phase "" bytes 52 {{.*}}{line = 0 : i64, state = "factors", type = tensor<13xf32>}
// CHECK-DAG: fsdprt.buffer [[REDUCED:[0-9]+]] "h.0 reduced" reduced unit "h.0" phase "step" bytes 128
// CHECK-DAG: fsdprt.buffer [[SUMS:[0-9]+]] "factor_sums" activation unit "h.0" phase "step" bytes 120
// CHECK-DAG: fsdprt.buffer [[SQUARES:[0-9]+]] "factor_squares" activation unit "h.0" phase "step" bytes 16
// CHECK-LABEL: fsdprt.phase @init runs once
// CHECK: fsdprt.fill "zero_state" byte 0 on compute [#fsdprt.arg<write [[MOMENTS]][0 : 52]>]
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: fsdprt.launch "factor_sums" {{.*}}[#fsdprt.arg<read [[SHARD]][0 : 128]>, #fsdprt.arg<read [[REDUCED]][0 : 128]>, {{.*}}, #fsdprt.arg<write [[SUMS]][0 : 120]>]
// CHECK-NEXT: [[SUMMED:%.*]] = fsdprt.all_reduce "all_reduce" f64 count 15 {{.*}}#fsdprt.arg<update [[SUMS]][0 : 120]>
// CHECK-NEXT: fsdprt.launch "factor_states" {{.*}}#fsdprt.arg<write [[MOMENTS]][0 : 52]>]{{.*}}[[SUMMED]]
// CHECK-NEXT: fsdprt.launch "factor_squares" {{.*}}#fsdprt.arg<write [[SQUARES]][0 : 16]>]
// CHECK-NEXT: [[ALL:%.*]] = fsdprt.all_reduce "all_reduce" f64 count 2 {{.*}}#fsdprt.arg<update [[SQUARES]][0 : 16]>
// CHECK-NEXT: fsdprt.launch "adafactor" {{.*}}#fsdprt.arg<write [[SHARD]][0 : 128]>]{{.*}}[[ALL]]
// CHECK-NOT: fsdprt.all_reduce
// CHECK: #train.piece<batch = 1, rows = 5, columns = 4, offset = 0, stride = 12, begin = 0, end = 12
// CHECK-SAME: #train.piece<batch = 1, rows = 0, columns = 4, offset = 16, stride = 2, begin = 16, end = 18
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<dim0 over ["shard"] of #mesh, [tensor<5x4xf32> at 0, tensor<4xf32> at 16]>
#weights = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.1>
#others = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 16, rule = #weights>, #train.range<end = 18, rule = #others>]>
!w = !fsdp.sharded<tensor<5x4xf32>, #layout, 0>
!b = !fsdp.sharded<tensor<4xf32>, #layout, 1>
onnx.parameter @"h.0.w" : tensor<5x4xf32>
onnx.parameter @"h.0.b" : tensor<4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4x5xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"}, %t: tensor<f32> {train.role = "step"})
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
  fsdp.update "h.0" line 0(%g#0, %g#1) lr %lr step %t : (!w, !b, tensor<f32>, tensor<f32>) -> ()
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
