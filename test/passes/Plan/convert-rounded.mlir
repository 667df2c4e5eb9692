// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt | FileCheck %s
// RUN: sed 's/dim0 over/flat over/; s/at 16/at 32/; s/end = 18/end = 36/' %s | fsdp-opt - --kernel-form-groups --convert-fsdp-to-fsdprt | FileCheck %s --check-prefix=FLAT

// Tests that a state that is rounded has two bytes an element, an average beside
// it four, and that the update reads the keys of its parameters and the run's
// seed: it has a range for each, which says where the rank's elements are.
// CHECK-DAG: fsdprt.buffer [[SUM:[0-9]+]] "h.0 sum" optimizer unit "h.0" phase "" bytes 64 {{.*}}{line = 0 : i64, state = "sum", type = tensor<32xbf16>}
// CHECK-DAG: fsdprt.buffer [[EMA:[0-9]+]] "h.0 ema" optimizer unit "h.0" phase "" bytes 128 {{.*}}{line = 0 : i64, state = "ema", type = tensor<32xf32>}
// CHECK-DAG: fsdprt.buffer [[KEYS:[0-9]+]] "rounding keys" constant unit "" phase "" bytes 64
// CHECK-DAG: fsdprt.buffer [[SEED:[0-9]+]] "seed" scalar {{.*}}{role = "seed", type = tensor<i64>}
// CHECK-LABEL: fsdprt.phase @init runs once
// CHECK: fsdprt.launch "fill_state" {{.*}}#fsdprt.arg<write [[SUM]][0 : 64]>
// CHECK: fsdprt.constant "constant" {{.*}}#fsdprt.arg<write [[KEYS]][0 : 64]>
// CHECK: train.flat_fill 5.000000e-01 {{.*}}: tensor<32xbf16>
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: fsdprt.launch "adagrad" {{.*}}#fsdprt.arg<read [[SEED]][0 : 8]>, #fsdprt.arg<read [[KEYS]][0 : 16]>{{.*}}#fsdprt.arg<write [[SUM]][0 : 64]>, #fsdprt.arg<write [[EMA]][0 : 128]>
// CHECK: train.flat_update{{.*}}[#train.range<end = 16, {{.*}}, stride = 12>, #train.range<end = 32, {{.*}}, stride = 2>] {in_shard
// FLAT: train.flat_update{{.*}}[#train.range<end = 32, {{.*}}, stride = 32>, #train.range<end = 64, {{.*}}, stride = 32>]
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<dim0 over ["shard"] of #mesh, [tensor<5x4xf32> at 0, tensor<4xf32> at 16]>
#rule = #train.averaged<rule = #train.rounded<rule = #train.adagrad<lr_decay = 0.0, eps = 1.0e-10, initial = 0.5, decay = 0.0>, type = bf16>, keep = 0.9>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w", "h.0.b"], ranges = [#train.range<end = 18, rule = #rule>]>
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
