// RUN: fsdp-opt %s --train-fold-empty --verify-diagnostics --split-input-file -o %t.mlir && FileCheck %s < %t.mlir

// Tests that a concatenation is its operand where the other has no elements, and
// that what computes that one is gone.
// CHECK-LABEL: func.func @joined_with_nothing
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @joined_with_nothing(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %e = onnx.slice %x from [0, 4] by [1, 1] : tensor<2x4xf32> -> tensor<2x0xf32>
  %n = onnx.neg %e : tensor<2x0xf32> -> tensor<2x0xf32>
  %y = onnx.concat %x, %n axis 1 : tensor<2x4xf32>, tensor<2x0xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Tests that of several operands those with elements are joined.
// CHECK-LABEL: func.func @joined
// CHECK: onnx.concat %{{.*}}, %{{.*}} axis 1 : tensor<2x4xf32>, tensor<2x3xf32> -> tensor<2x7xf32>
func.func @joined(%x: tensor<2x4xf32>, %z: tensor<2x3xf32>) -> tensor<2x7xf32> {
  %e = onnx.slice %x from [0, 4] by [1, 1] : tensor<2x4xf32> -> tensor<2x0xf32>
  %y = onnx.concat %x, %e, %z axis 1 : tensor<2x4xf32>, tensor<2x0xf32>, tensor<2x3xf32> -> tensor<2x7xf32>
  return %y : tensor<2x7xf32>
}

// -----

// Tests that a product over no terms is zero, and does not read the parameter.
// CHECK-LABEL: func.func @product
// CHECK-NOT: onnx.read
// CHECK: onnx.constant dense<0.000000e+00> : tensor<3x3xf32>
onnx.parameter @w : tensor<0x3xf32>
func.func @product(%x: tensor<3x4xf32>) -> tensor<3x3xf32> {
  %w = onnx.read @w : tensor<0x3xf32>
  %t = onnx.transpose %w [1, 0] : tensor<0x3xf32> -> tensor<3x0xf32>
  %y = onnx.matmul %t, %w : tensor<3x0xf32>, tensor<0x3xf32> -> tensor<3x3xf32>
  return %y : tensor<3x3xf32>
}

// -----

// Tests what sums, maxima and means of nothing are, and a pad around nothing.
// CHECK-LABEL: func.func @reductions
// CHECK-DAG: %[[SUM:.*]] = onnx.constant dense<0.000000e+00> : tensor<2xf32>
// CHECK-DAG: %[[MOST:.*]] = onnx.constant dense<0xFF800000> : tensor<2xf32>
// CHECK-DAG: %[[MEAN:.*]] = onnx.constant dense<0x7FC00000> : tensor<2xf32>
// CHECK-DAG: %[[LEAST:.*]] = onnx.constant dense<-9223372036854775808> : tensor<2xi64>
// CHECK-DAG: %[[NONE:.*]] = onnx.constant dense<false> : tensor<2xi1>
// CHECK-DAG: %[[PAD:.*]] = onnx.constant dense<1.500000e+00> : tensor<2x3xf32>
// CHECK: return %[[SUM]], %[[MOST]], %[[MEAN]], %[[LEAST]], %[[NONE]], %[[PAD]]
func.func @reductions(%x: tensor<2x4xf32>, %i: tensor<2x4xi64>, %c: tensor<2x4xi1>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xi1>, tensor<2x3xf32>) {
  %e = onnx.slice %x from [0, 4] by [1, 1] : tensor<2x4xf32> -> tensor<2x0xf32>
  %j = onnx.slice %i from [0, 4] by [1, 1] : tensor<2x4xi64> -> tensor<2x0xi64>
  %d = onnx.slice %c from [0, 4] by [1, 1] : tensor<2x4xi1> -> tensor<2x0xi1>
  %0 = onnx.reduce_sum %e [1] keepdims false : tensor<2x0xf32> -> tensor<2xf32>
  %1 = onnx.reduce_max %e [1] keepdims false : tensor<2x0xf32> -> tensor<2xf32>
  %2 = onnx.reduce_mean %e [1] keepdims false : tensor<2x0xf32> -> tensor<2xf32>
  %3 = onnx.reduce_max %j [1] keepdims false : tensor<2x0xi64> -> tensor<2xi64>
  %4 = onnx.reduce_max %d [1] keepdims false : tensor<2x0xi1> -> tensor<2xi1>
  %5 = onnx.pad %e at [0, 0] by [1, 1] value 1.5 : tensor<2x0xf32> -> tensor<2x3xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xi1>, tensor<2x3xf32>
}

// -----

// Tests that what has elements is left alone.
// CHECK-LABEL: func.func @left_alone
// CHECK: onnx.slice
// CHECK: onnx.concat
func.func @left_alone(%x: tensor<2x4xf32>) -> tensor<2x5xf32> {
  %e = onnx.slice %x from [0, 3] by [1, 1] : tensor<2x4xf32> -> tensor<2x1xf32>
  %y = onnx.concat %x, %e axis 1 : tensor<2x4xf32>, tensor<2x1xf32> -> tensor<2x5xf32>
  return %y : tensor<2x5xf32>
}

// -----

// Tests that a mean of no integers, which has no value, is rejected.
func.func @integers(%x: tensor<2x4xi64>) -> tensor<2xi64> {
  %e = onnx.slice %x from [0, 4] by [1, 1] : tensor<2x4xi64> -> tensor<2x0xi64>
  // expected-error @+1 {{reads a tensor without elements, 'tensor<2x0xi64>', and has no value for it: expected extents of 1 or more}}
  %y = onnx.reduce_mean %e [1] keepdims false : tensor<2x0xi64> -> tensor<2xi64>
  return %y : tensor<2xi64>
}

// -----

// Tests that rows of a table without rows are rejected.
onnx.parameter @table : tensor<0x3xf32>
func.func @rows(%i: tensor<2xi64>) -> tensor<2x3xf32> {
  %w = onnx.read @table : tensor<0x3xf32>
  // expected-error @+1 {{reads a tensor without elements, 'tensor<0x3xf32>', and has no value for it: expected extents of 1 or more}}
  %y = onnx.gather %w, %i : tensor<0x3xf32>, tensor<2xi64> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// -----

// Tests that a trained parameter that would get no gradient, where PyTorch has
// zeros, is rejected.
// expected-error @+1 {{parameter 'w' is read by way of tensors without elements alone: its gradient would be zeros; freeze it (--freeze w) or leave it out of the model}}
onnx.parameter @w : tensor<2x4xf32>
func.func @unread(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = onnx.read @w : tensor<2x4xf32>
  %e = onnx.slice %w from [0, 4] by [1, 1] : tensor<2x4xf32> -> tensor<2x0xf32>
  %y = onnx.concat %x, %e axis 1 : tensor<2x4xf32>, tensor<2x0xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Tests that an input without elements is rejected by its name.
// expected-error @+1 {{input 'past' of type 'tensor<2x0xf32>' has no elements, expected extents of 1 or more}}
func.func @input(%x: tensor<2x0xf32> {onnx.name = "past"}) -> tensor<2x0xf32> {
  return %x : tensor<2x0xf32>
}
