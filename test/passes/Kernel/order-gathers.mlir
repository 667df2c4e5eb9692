// RUN: fsdp-opt %s --split-input-file --kernel-form-groups --kernel-order-gathers=most=100 | FileCheck %s

// Tests that the gradient of a gather is split into the order of its indices
// and sums by that order, which leave the padding row alone as before.
// CHECK-LABEL: func @embedding
// CHECK-SAME:    (%[[I:.*]]: tensor<2x50xi64>, %[[DY:.*]]: tensor<2x50x8xbf16>)
// CHECK:         %[[O:.*]]:2 = train.kernel "order_indices"(%[[I]]) : (tensor<2x50xi64>) -> (tensor<100xi32>, tensor<100xi32>)
// CHECK:           train.order_indices %{{.*}} rows 11
// CHECK:         %[[D:.*]] = train.kernel "gather_grad"(%[[O]]#0, %[[O]]#1, %[[DY]])
// CHECK:           train.gather_grad_ordered %{{.*}}, %{{.*}}, %{{.*}} {padding_idx = 3 : i64} : (tensor<100xi32>, tensor<100xi32>, tensor<2x50x8xbf16>) -> tensor<11x8xbf16>
// CHECK:         return %[[D]]
func.func @embedding(%i: tensor<2x50xi64>, %dy: tensor<2x50x8xbf16>) -> tensor<11x8xbf16> {
  %d = train.gather_grad %i, %dy {padding_idx = 3 : i64} : tensor<2x50xi64>, tensor<2x50x8xbf16> -> tensor<11x8xbf16>
  return %d : tensor<11x8xbf16>
}

// -----

// Tests what is left alone: more indices than are sorted, and tables in a batch.
// CHECK-LABEL: func @alone
// CHECK-NOT:     ordered
// CHECK:         train.gather_grad
// CHECK-NOT:     ordered
// CHECK:         train.gather_grad
// CHECK-NOT:     ordered
// CHECK:         return
func.func @alone(%i: tensor<101xi64>, %dy: tensor<101x8xf32>, %j: tensor<3x4xi64>, %dz: tensor<3x4x8xf32>) -> (tensor<11x8xf32>, tensor<3x5x8xf32>) {
  %d = train.gather_grad %i, %dy : tensor<101xi64>, tensor<101x8xf32> -> tensor<11x8xf32>
  %e = train.gather_grad %j, %dz {batch_dims = 1 : i64} : tensor<3x4xi64>, tensor<3x4x8xf32> -> tensor<3x5x8xf32>
  return %d, %e : tensor<11x8xf32>, tensor<3x5x8xf32>
}
