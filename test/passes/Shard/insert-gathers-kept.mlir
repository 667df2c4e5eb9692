// RUN: fsdp-opt %s --fsdp-apply-strategy="reshard-after-forward=h.*=false,(root)=true" --fsdp-insert-gathers | FileCheck %s

// Tests that a unit that is not resharded after forward is gathered once, and
// that the root is gathered again where its policy says so.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.all_gather_start "(root)" line 0
// CHECK: %[[WTE:.*]] = fsdp.wait
// CHECK-NEXT: %[[X:.*]] = onnx.add %{{.*}}, %[[WTE]]
// CHECK-NEXT: fsdp.release "(root)" line 0(%[[WTE]])
// CHECK: fsdp.all_gather_start "h.0" line 0
// CHECK-NEXT: %[[W:.*]] = fsdp.wait
// CHECK-NEXT: onnx.matmul %[[X]], %[[W]]
// CHECK-NEXT: train.backward_begin
// CHECK-NEXT: onnx.matmul %[[X]], %[[W]] {{.*}}transB
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[W]])
// CHECK: fsdp.all_gather_start "(root)" line 0
// CHECK-NEXT: %[[AGAIN:.*]] = fsdp.wait
// CHECK-NEXT: onnx.mul %{{.*}}, %[[AGAIN]]
// CHECK-NEXT: fsdp.release "(root)" line 0(%[[AGAIN]])
// CHECK-NEXT: return
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>, parameters = ["wte"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#block = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @wte : tensor<4x4xf32>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdp.unit @"h.0" lines [#block]
func.func @step(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %wte = onnx.read @wte : tensor<4x4xf32>
  %w = onnx.read @"h.0.w" : tensor<4x4xf32>
  %x = onnx.add %a, %wte : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %y = onnx.matmul %x, %w : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %d = onnx.matmul %x, %w {transB} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %e = onnx.mul %d, %wte : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %e : tensor<4x4xf32>
}
