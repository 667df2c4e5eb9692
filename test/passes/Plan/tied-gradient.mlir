// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --split-input-file | FileCheck %s

// Tests that the sum of a tied parameter's gradients is computed where the
// reduce-scatter reads it, in place of the operand that is there first.
// CHECK: fsdprt.buffer [[GRADS:[0-9]+]] "h.0 gradients" gradient
// CHECK-NOT: "add" activation
// CHECK-LABEL: fsdprt.phase @step
// CHECK: fsdprt.gemm {{.*}}#fsdprt.arg<write [[GRADS]][0 : 256]>
// CHECK: fsdprt.gemm {{.*}}#fsdprt.arg<write [[OTHER:[0-9]+]][0 : 256]>
// CHECK-NOT: fsdprt.copy
// CHECK: fsdprt.launch "add" {{.*}}#fsdprt.arg<read [[GRADS]][0 : 256]>, #fsdprt.arg<read [[OTHER]][0 : 256]>, #fsdprt.arg<write [[GRADS]][0 : 256]>
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<8x8xf32> at 0]>
!w = !fsdp.sharded<tensor<8x8xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<8x8xf32>
fsdp.unit @"h.0" lines [#fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 64, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<8x8xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"}) {
  %a = onnx.matmul %x, %x : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %b = onnx.matmul %x, %x {transA} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %dw = onnx.add %a, %b : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (tensor<8x8xf32>) -> !fsdp.pending<!w>
  %g = fsdp.wait %q : <!w> -> !w
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!w, tensor<f32>, tensor<f32>) -> ()
  return
}
func.func @export() { return }

// -----

// Tests that an operand that something else reads stays where it is: %a, which the
// loss needs as well; %b takes its place.
// CHECK: fsdprt.buffer [[GRADS:[0-9]+]] "h.0 gradients" gradient
// CHECK-LABEL: fsdprt.phase @step
// CHECK: fsdprt.gemm {{.*}}#fsdprt.arg<write [[A:[0-9]+]][0 : 256]>
// CHECK: fsdprt.gemm {{.*}}#fsdprt.arg<write [[GRADS]][0 : 256]>
// CHECK: fsdprt.launch "add" {{.*}}#fsdprt.arg<read [[A]][0 : 256]>, #fsdprt.arg<read [[GRADS]][0 : 256]>, #fsdprt.arg<write [[GRADS]][0 : 256]>
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<8x8xf32> at 0]>
!w = !fsdp.sharded<tensor<8x8xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<8x8xf32>
fsdp.unit @"h.0" lines [#fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 64, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<8x8xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"}) -> (tensor<f32> {train.role = "loss"}) {
  %a = onnx.matmul %x, %x : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %b = onnx.matmul %x, %x {transA} : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %dw = onnx.add %a, %b : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (tensor<8x8xf32>) -> !fsdp.pending<!w>
  %g = fsdp.wait %q : <!w> -> !w
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!w, tensor<f32>, tensor<f32>) -> ()
  %s = onnx.reduce_sum %a [0, 1] keepdims false : tensor<8x8xf32> -> tensor<f32>
  return %s : tensor<f32>
}
func.func @export() { return }
