// RUN: fsdp-opt %s --train-attach-loss=loss=cross_entropy --train-build-backward --canonicalize --cse --canonicalize -o %t.backward.mlir
// RUN: FileCheck %s --check-prefix=BACKWARD < %t.backward.mlir
// RUN: fsdp-opt %t.backward.mlir --train-build-update --canonicalize --cse --canonicalize --train-verify -o %t.train.mlir
// RUN: FileCheck %s --check-prefix=TRAIN < %t.train.mlir
// RUN: fsdp-opt %t.train.mlir --fsdp-assign-units=mesh=shard=2 --fsdp-insert-gathers --fsdp-insert-reductions --fsdp-build-phases -o %t.before.mlir
// RUN: fsdp-opt %t.before.mlir --canonicalize --cse --canonicalize --cse --fsdp-verify -o %t.after.mlir
// RUN: FileCheck %s < %t.after.mlir
// RUN: grep -c -E "fsdp.(all_gather_start|reduce_scatter_start|wait|release|shards|update|store|load)|backward_begin" %t.before.mlir > %t.count
// RUN: grep -c -E "fsdp.(all_gather_start|reduce_scatter_start|wait|release|shards|update|store|load)|backward_begin" %t.after.mlir | diff %t.count -

// Tests that canonicalisation and CSE after each stage merge nothing that is
// there on purpose: reads and updates, gathers and waits that look alike in
// forward and backward, and the chain exp(w), cloned behind the backward gather
// so that no full weight lives from forward to backward.

// BACKWARD: onnx.read @wte
// BACKWARD: onnx.read @h.0.w
// BACKWARD: onnx.read @h.1.w
// BACKWARD: train.backward_begin
// BACKWARD-COUNT-3: train.gradient
// BACKWARD-NOT: train.gradient

// TRAIN: train.backward_begin
// TRAIN-COUNT-3: train.update @
// TRAIN-NOT: train.update @

// CHECK-LABEL: func.func @step(
// CHECK: fsdp.all_gather_start "(root)" line 0
// CHECK: %[[WTE:.*]] = fsdp.wait
// CHECK: fsdp.all_gather_start "h.0" line 0
// CHECK: %[[W0:.*]] = fsdp.wait
// CHECK: %[[E0:.*]] = onnx.exp %[[W0]]
// CHECK: onnx.matmul %{{.*}}, %[[E0]]
// CHECK: fsdp.release "h.0" line 0(%[[W0]])
// CHECK: fsdp.all_gather_start "h.1" line 0
// CHECK: %[[W1:.*]] = fsdp.wait
// CHECK: fsdp.release "h.1" line 0(%[[W1]])
// CHECK: train.backward_begin
// CHECK: fsdp.release "(root)" line 0(%[[WTE]])
// CHECK: fsdp.all_gather_start "h.1" line 0
// CHECK: %[[AGAIN1:.*]] = fsdp.wait
// CHECK: fsdp.release "h.1" line 0(%[[AGAIN1]])
// CHECK: fsdp.reduce_scatter_start "h.1" line 0
// CHECK: fsdp.all_gather_start "h.0" line 0
// CHECK: %[[AGAIN0:.*]] = fsdp.wait
// CHECK: %[[CLONE:.*]] = onnx.exp %[[AGAIN0]]
// CHECK: onnx.matmul %{{.*}}, %[[CLONE]] {{.*}}transB
// CHECK: onnx.mul %{{.*}}, %[[CLONE]]
// CHECK: fsdp.reduce_scatter_start "h.0" line 0
// CHECK: fsdp.release "h.0" line 0(%[[AGAIN0]])
// CHECK: fsdp.reduce_scatter_start "(root)" line 0
// CHECK-NOT: fsdp.{{all_gather|reduce_scatter}}_start
// CHECK-COUNT-3: fsdp.update
// CHECK-LABEL: func.func @export()
// CHECK-COUNT-3: fsdp.all_gather_start
onnx.parameter @wte : tensor<16x4xf32>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.1.w" : tensor<4x4xf32>
func.func @forward(%ids: tensor<2x3xi64> {onnx.name = "input_ids"})
    -> (tensor<2x3x16xf32> {onnx.name = "logits"}) {
  %wte = onnx.read @wte : tensor<16x4xf32>
  %x = onnx.gather %wte, %ids {scope = "wte"} : tensor<16x4xf32>, tensor<2x3xi64> -> tensor<2x3x4xf32>
  %w0 = onnx.read @"h.0.w" : tensor<4x4xf32>
  %e0 = onnx.exp %w0 {scope = "h.0"} : tensor<4x4xf32> -> tensor<4x4xf32>
  %h0 = onnx.matmul %x, %e0 {scope = "h.0"} : tensor<2x3x4xf32>, tensor<4x4xf32> -> tensor<2x3x4xf32>
  %w1 = onnx.read @"h.1.w" : tensor<4x4xf32>
  %h1 = onnx.matmul %h0, %w1 {scope = "h.1"} : tensor<2x3x4xf32>, tensor<4x4xf32> -> tensor<2x3x4xf32>
  %head = onnx.transpose %wte [1, 0] {scope = "head"} : tensor<16x4xf32> -> tensor<4x16xf32>
  %logits = onnx.matmul %h1, %head {scope = "head"} : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  return %logits : tensor<2x3x16xf32>
}
