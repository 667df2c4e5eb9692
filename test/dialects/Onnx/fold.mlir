// RUN: fsdp-opt %s --canonicalize --split-input-file | FileCheck %s

// Tests that elementwise chains of constants fold, with broadcasting.
// CHECK-LABEL: func.func @elementwise
func.func @elementwise() -> tensor<2x2xf32> {
  // CHECK: dense<{{\[\[}}-4.000000e+00, -6.000000e+00], [-8.000000e+00, -1.000000e+01]]>
  // CHECK-NOT: onnx.add
  %a = onnx.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> : tensor<2x2xf32>
  %b = onnx.constant dense<1.0> : tensor<2xf32> : tensor<2xf32>
  %s = onnx.add %a, %b : tensor<2x2xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %t = onnx.constant dense<2.0> : tensor<f32> : tensor<f32>
  %m = onnx.mul %s, %t : tensor<2x2xf32>, tensor<f32> -> tensor<2x2xf32>
  %n = onnx.neg %m : tensor<2x2xf32> -> tensor<2x2xf32>
  return %n : tensor<2x2xf32>
}

// -----

// Tests that a neutral operand goes, on the left only where the op commutes.
// CHECK-LABEL: func.func @neutral
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
func.func @neutral(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = onnx.constant dense<0.0> : tensor<f32> : tensor<f32>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %a = onnx.add %zero, %x : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  %b = onnx.div %a, %one : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  // CHECK: %[[R:.*]] = onnx.div %{{.*}}, %[[X]]
  %c = onnx.div %one, %x : tensor<f32>, tensor<4xf32> -> tensor<4xf32>
  // CHECK: return %[[X]], %[[R]]
  return %b, %c : tensor<4xf32>, tensor<4xf32>
}

// -----

// Tests that a neutral operand that widens the result is kept.
// CHECK-LABEL: func.func @neutral_that_broadcasts
func.func @neutral_that_broadcasts(%x: tensor<1xf32>) -> tensor<4xf32> {
  %zero = onnx.constant dense<0.0> : tensor<4xf32> : tensor<4xf32>
  // CHECK: onnx.add
  %a = onnx.add %x, %zero : tensor<1xf32>, tensor<4xf32> -> tensor<4xf32>
  return %a : tensor<4xf32>
}

// -----

// Tests that ops which rearrange constants fold, and that splats stay splats.
// CHECK-LABEL: func.func @rearranged
func.func @rearranged() -> (tensor<2x2xi64>, tensor<2xi64>, tensor<1000000x1000xf32>) {
  // CHECK-DAG: dense<{{\[\[}}1, 4], [2, 5]]> : tensor<2x2xi64>
  // CHECK-DAG: dense<[6, 15]> : tensor<2xi64>
  // CHECK-DAG: dense<1.000000e+00> : tensor<1000000x1000xf32>
  %a = onnx.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64> : tensor<2x3xi64>
  %t = onnx.transpose %a [1, 0] : tensor<2x3xi64> -> tensor<3x2xi64>
  %i = onnx.constant dense<[0, 1]> : tensor<2xi64> : tensor<2xi64>
  %g = onnx.gather %t, %i : tensor<3x2xi64>, tensor<2xi64> -> tensor<2x2xi64>
  %r = onnx.reduce_sum %a [1] keepdims false : tensor<2x3xi64> -> tensor<2xi64>
  %one = onnx.constant dense<1.0> : tensor<f32> : tensor<f32>
  %e = onnx.expand %one : tensor<f32> -> tensor<1000000x1000xf32>
  return %g, %r, %e : tensor<2x2xi64>, tensor<2xi64>, tensor<1000000x1000xf32>
}

// -----

// Tests that a large result which is no splat is not folded.
// CHECK-LABEL: func.func @large
func.func @large() -> tensor<65536x512xf32> {
  %a = onnx.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32> : tensor<2x1xf32>
  %b = onnx.reshape %a : tensor<2x1xf32> -> tensor<1x2xf32>
  %c = onnx.reshape %b : tensor<1x2xf32> -> tensor<2x1x1xf32>
  // CHECK: onnx.expand
  %d = onnx.expand %c : tensor<2x1x1xf32> -> tensor<2x32768x512xf32>
  %e = onnx.reshape %d : tensor<2x32768x512xf32> -> tensor<65536x512xf32>
  return %e : tensor<65536x512xf32>
}

// -----

// Tests that integer division by zero and a row out of range are left alone.
// CHECK-LABEL: func.func @undefined
func.func @undefined() -> (tensor<i64>, tensor<1xi64>) {
  %a = onnx.constant dense<1> : tensor<i64> : tensor<i64>
  %z = onnx.constant dense<0> : tensor<i64> : tensor<i64>
  // CHECK: onnx.div
  %d = onnx.div %a, %z : tensor<i64>, tensor<i64> -> tensor<i64>
  %t = onnx.constant dense<[1, 2]> : tensor<2xi64> : tensor<2xi64>
  %i = onnx.constant dense<[2]> : tensor<1xi64> : tensor<1xi64>
  // CHECK: onnx.gather
  %g = onnx.gather %t, %i : tensor<2xi64>, tensor<1xi64> -> tensor<1xi64>
  return %d, %g : tensor<i64>, tensor<1xi64>
}

// -----

// Tests that reads of a parameter are neither folded nor merged.
onnx.parameter @w : tensor<2xf32> {init = {kind = "constant", value = 0.0 : f64}}
// CHECK-LABEL: func.func @reads
func.func @reads() -> tensor<2xf32> {
  // CHECK-COUNT-2: onnx.read
  %a = onnx.read @w : tensor<2xf32>
  %b = onnx.read @w : tensor<2xf32>
  %c = onnx.add %a, %b : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %c : tensor<2xf32>
}

// -----

// Tests that powers of integers are modulo their width, and that a negative
// exponent rounds to 0 but for bases 1 and -1.
// CHECK-LABEL: func.func @integer_power
func.func @integer_power() -> (tensor<7xi64>, tensor<2xi32>) {
  // CHECK-DAG: dense<[1, -1, 1, 0, 0, 0, 8733086111712066817]>
  // CHECK-DAG: dense<[-2147483648, 0]>
  %x = onnx.constant dense<[1, -1, -1, 2, 0, 2, 3]> : tensor<7xi64> : tensor<7xi64>
  %n = onnx.constant dense<[-1, -1, -2, -1, -3, 64, 64]> : tensor<7xi64> : tensor<7xi64>
  %p = onnx.pow %x, %n : tensor<7xi64>, tensor<7xi64> -> tensor<7xi64>
  %y = onnx.constant dense<2> : tensor<2xi32> : tensor<2xi32>
  %m = onnx.constant dense<[31, 32]> : tensor<2xi32> : tensor<2xi32>
  %q = onnx.pow %y, %m : tensor<2xi32>, tensor<2xi32> -> tensor<2xi32>
  return %p, %q : tensor<7xi64>, tensor<2xi32>
}

// -----

// Tests that a stopped gradient stays, whatever computes the value or reads it
// beside it, but on a constant and on what is stopped already.
// CHECK-LABEL: func.func @stop
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
func.func @stop(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  // CHECK-DAG: %[[S:.*]] = onnx.stop_gradient %[[X]] : tensor<4xf32>
  // CHECK-DAG: %[[C:.*]] = onnx.constant
  // CHECK-NOT: onnx.stop_gradient
  // CHECK: return %[[S]], %[[S]], %[[C]]
  %c = onnx.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32> : tensor<4xf32>
  %s = onnx.stop_gradient %x : tensor<4xf32>
  %t = onnx.stop_gradient %s : tensor<4xf32>
  %u = onnx.stop_gradient %c : tensor<4xf32>
  return %s, %t, %u : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
