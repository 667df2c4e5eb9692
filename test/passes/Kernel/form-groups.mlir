// RUN: fsdp-opt %s --split-input-file --kernel-form-groups --verify-diagnostics | FileCheck %s
// RUN: fsdp-opt %s --split-input-file --kernel-form-groups=library-bf16=false --verify-diagnostics | FileCheck %s --check-prefix=GENERATED
// RUN: fsdp-opt %s --split-input-file --kernel-form-groups=library-f16=true --verify-diagnostics | FileCheck %s --check-prefix=F16

// Tests that a chain of elementwise ops is one kernel at the place of its last
// op, with the scope of that op, through broadcasting operands.
// CHECK-LABEL: func @chain
// CHECK-SAME:    (%[[X:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<8xf32>)
// CHECK:         %[[Y:.*]] = train.kernel "add_tanh_mul"(%[[X]], %[[B]]) {scope = "h.1"}
// CHECK-NEXT:    ^bb0(%[[A0:.*]]: tensor<4x8xf32>, %[[A1:.*]]: tensor<8xf32>):
// CHECK-NEXT:      %[[S:.*]] = onnx.add %[[A0]], %[[A1]] {scope = "h.0"}
// CHECK-NEXT:      %[[T:.*]] = onnx.tanh %[[S]]
// CHECK-NEXT:      %[[M:.*]] = onnx.mul %[[T]], %[[A0]] {scope = "h.1"}
// CHECK-NEXT:      train.yield %[[M]]
// CHECK:         return %[[Y]]
func.func @chain(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %s = onnx.add %x, %b {scope = "h.0"} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %t = onnx.tanh %s : tensor<4x8xf32> -> tensor<4x8xf32>
  %m = onnx.mul %t, %x {scope = "h.1"} : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %m : tensor<4x8xf32>
}

// -----

// Tests that a value used twice inside one kernel joins it (x * sigmoid(x) of
// a sum), and that splat constants live inside.
// CHECK-LABEL: func @used_twice_inside
// CHECK-NOT:     onnx.constant
// CHECK:         train.kernel
// CHECK:           onnx.constant dense<2.0
// CHECK:           onnx.add
// CHECK:           onnx.sigmoid
// CHECK:           onnx.mul
// CHECK-NOT:     train.kernel
func.func @used_twice_inside(%x: tensor<8xf32>) -> tensor<8xf32> {
  %two = onnx.constant dense<2.0> : tensor<f32> : tensor<f32>
  %s = onnx.add %x, %two : tensor<8xf32>, tensor<f32> -> tensor<8xf32>
  %g = onnx.sigmoid %s : tensor<8xf32> -> tensor<8xf32>
  %y = onnx.mul %s, %g : tensor<8xf32>, tensor<8xf32> -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// Tests that nothing is computed twice: a value with users in two kernels is
// its own.
// CHECK-LABEL: func @two_users
// CHECK:         %[[E:.*]] = train.kernel "exp"
// CHECK:         %[[N:.*]] = train.kernel "neg"(%[[E]])
// CHECK:         %[[S:.*]] = train.kernel "sqrt"(%[[E]])
// CHECK:         return %[[N]], %[[S]]
func.func @two_users(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %e = onnx.exp %x : tensor<8xf32> -> tensor<8xf32>
  %n = onnx.neg %e : tensor<8xf32> -> tensor<8xf32>
  %s = onnx.sqrt %e : tensor<8xf32> -> tensor<8xf32>
  return %n, %s : tensor<8xf32>, tensor<8xf32>
}

// -----

// Tests that a producer of another shape stays out: inside it would be computed
// once an element of its consumer.
// CHECK-LABEL: func @other_shape
// CHECK:         train.kernel "exp"
// CHECK:         train.kernel "add"
func.func @other_shape(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %e = onnx.exp %b : tensor<8xf32> -> tensor<8xf32>
  %s = onnx.add %x, %e : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  return %s : tensor<4x8xf32>
}

// -----

// Tests that no op is moved over one with side effects.
// CHECK-LABEL: func @backward_begin
// CHECK:         train.kernel "exp"
// CHECK:         train.backward_begin
// CHECK:         train.kernel "neg"
func.func @backward_begin(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = onnx.exp %x : tensor<8xf32> -> tensor<8xf32>
  train.backward_begin
  %n = onnx.neg %e : tensor<8xf32> -> tensor<8xf32>
  return %n : tensor<8xf32>
}

// -----

// Tests that views, the GEMM library's products and constants that are tables
// stay outside of kernels, and that products of other types do not.
// CHECK-LABEL: func @left_alone
// CHECK:         %[[C:.*]] = onnx.constant dense<[1.0{{.*}}, 2.0{{.*}}]>
// CHECK:         %[[R:.*]] = onnx.reshape
// CHECK:         %[[M:.*]] = onnx.matmul %[[R]]
// CHECK:         train.kernel "add"(%[[M]], %[[C]])
// CHECK:         train.kernel "matmul"
func.func @left_alone(%x: tensor<4xf32>, %d: tensor<2x2xf64>) -> (tensor<2x2xf32>, tensor<2x2xf64>) {
  %c = onnx.constant dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
  %r = onnx.reshape %x : tensor<4xf32> -> tensor<2x2xf32>
  %m = onnx.matmul %r, %r : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = onnx.add %m, %c : tensor<2x2xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %z = onnx.matmul %d, %d : tensor<2x2xf64>, tensor<2x2xf64> -> tensor<2x2xf64>
  return %y, %z : tensor<2x2xf32>, tensor<2x2xf64>
}

// -----

// Tests that a kernel that reads a whole row reads a constant from a buffer,
// also one of equal elements.
// CHECK-LABEL: func @constant_scale
// CHECK:         %[[C:.*]] = onnx.constant dense<1.0
// CHECK:         train.kernel "layer_normalization"(%{{.*}}, %[[C]])
func.func @constant_scale(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %s = onnx.constant dense<1.0> : tensor<8xf32> : tensor<8xf32>
  %y, %m, %r = onnx.layer_normalization %x, %s epsilon 1.0e-5
    : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
  return %y : tensor<4x8xf32>
}

// -----

// Tests that a kernel with side effects inside is rejected.
func.func @effects(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{holds 'train.backward_begin', which has side effects}}
  %y = train.kernel "k" (%x) : (tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<8xf32>):
    train.backward_begin
    train.yield %a : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// -----

// Tests that a normalisation's kernel also computes the residual sum that it
// reads, which stays a result: one pass instead of two.
// CHECK-LABEL: func @residual_and_norm
// CHECK:         %[[K:.*]]:4 = train.kernel "add_layer_normalization"
// CHECK:           %[[S:.*]] = onnx.add
// CHECK:           %[[Y:.*]], %[[M:.*]], %[[R:.*]] = onnx.layer_normalization %[[S]]
// CHECK:           train.yield %[[Y]], %[[M]], %[[R]], %[[S]]
// CHECK:         return %[[K]]#0, %[[K]]#3
func.func @residual_and_norm(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>, %g: tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %s = onnx.add %x, %r : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %y, %m, %d = onnx.layer_normalization %s, %g epsilon 1.0e-5 : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
  return %y, %s : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// Tests that a sum which something else reads before the normalisation stays a
// kernel of its own, at its place.
// CHECK-LABEL: func @read_before_norm
// CHECK:         train.kernel "add"
// CHECK:         train.kernel "reduce_sum"
// CHECK:         train.kernel "layer_normalization"
func.func @read_before_norm(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>, %g: tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>) {
  %s = onnx.add %x, %r : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %t = onnx.reduce_sum %s [1] keepdims false : tensor<4x8xf32> -> tensor<4xf32>
  %y, %m, %d = onnx.layer_normalization %s, %g epsilon 1.0e-5 : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
  return %y, %t : tensor<4x8xf32>, tensor<4xf32>
}

// -----

// Tests that a norm's gradient joins the sum of gradients that alone reads it.
// CHECK-LABEL: func @norm_grad_and_sum
// CHECK:         train.kernel "layer_norm_grad_add"
// CHECK-NOT:     train.kernel
func.func @norm_grad_and_sum(%x: tensor<4x8xf32>, %dy: tensor<4x8xf32>, %g: tensor<8xf32>, %m: tensor<4xf32>, %r: tensor<4xf32>, %other: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %d = train.layer_norm_grad %x, %dy, %g, %m, %r : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>, tensor<4xf32>
  %s = onnx.add %other, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %s : tensor<4x8xf32>
}

// -----

// Tests that a factor a row, which is neither a matrix nor one row, keeps the
// chain apart from the norm's gradient.
// CHECK-LABEL: func @factor_a_row
// CHECK:         train.kernel "layer_norm_grad"
// CHECK:         train.kernel "mul"
func.func @factor_a_row(%x: tensor<4x8xf32>, %dy: tensor<4x8xf32>, %g: tensor<8xf32>, %m: tensor<4xf32>, %r: tensor<4xf32>, %f: tensor<4x1xf32>) -> tensor<4x8xf32> {
  %d = train.layer_norm_grad %x, %dy, %g, %m, %r : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>, tensor<4xf32>
  %s = onnx.mul %d, %f : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32>
  return %s : tensor<4x8xf32>
}

// -----

// Tests that an RMS normalisation takes in the residual sum, and its gradient
// the sum of gradients.
// CHECK-LABEL: func @rms_norm_and_residuals
// CHECK:         %[[K:.*]]:3 = train.kernel "add_rms_normalization"
// CHECK:         train.kernel "rms_norm_grad_add"
// CHECK-NOT:     train.kernel
func.func @rms_norm_and_residuals(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>, %g: tensor<8xf32>, %other: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %s = onnx.add %x, %r : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %y, %d = onnx.rms_normalization %s, %g epsilon 1.0e-5 : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>)
  %dx = train.rms_norm_grad %s, %other, %g, %d : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>
  %sum = onnx.add %other, %dx : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y, %s, %sum : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// Tests that a norm's gradient with parts stands before what reads them, with
// the sum that follows it, and that a sum which needs a later value stays apart.
// CHECK-LABEL: func.func @parts(
// CHECK:         %[[K:.*]]:3 = train.kernel "layer_norm_grad_add"
// CHECK:           %[[D:.*]], %[[P:.*]]:2 = train.layer_norm_grad
// CHECK:           %[[S:.*]] = onnx.add %{{.*}}, %[[D]]
// CHECK:           train.yield %[[S]], %[[P]]#0, %[[P]]#1
// CHECK:         train.kernel "reduce_sum"(%[[K]]#1)
// CHECK:         train.kernel "reduce_sum"(%[[K]]#2)
// CHECK:         return %[[K]]#0
func.func @parts(%x: tensor<4x8xf32>, %dy: tensor<4x8xf32>, %g: tensor<8xf32>, %m: tensor<4xf32>, %other: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %d, %p, %q = train.layer_norm_grad %x, %dy, %g, %m, %m : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>, tensor<4xf32> parts tensor<2x8xf32>, tensor<2x8xf32>
  %a = onnx.reduce_sum %p [0] keepdims false : tensor<2x8xf32> -> tensor<8xf32>
  %b = onnx.reduce_sum %q [0] keepdims false : tensor<2x8xf32> -> tensor<8xf32>
  %s = onnx.add %other, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %s, %a, %b : tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func.func @parts_before_the_other_summand
// CHECK:         train.kernel "rms_norm_grad"
// CHECK:         train.kernel "reduce_sum"
// CHECK:         train.kernel "mul_add"
func.func @parts_before_the_other_summand(%x: tensor<4x8xf32>, %dy: tensor<4x8xf32>, %g: tensor<8xf32>, %r: tensor<4xf32>) -> (tensor<4x8xf32>, tensor<8xf32>) {
  %d, %p = train.rms_norm_grad %x, %dy, %g, %r : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32> parts tensor<2x8xf32>
  %a = onnx.reduce_sum %p [0] keepdims false : tensor<2x8xf32> -> tensor<8xf32>
  %o = onnx.mul %x, %a : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %s = onnx.add %o, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %s, %a : tensor<4x8xf32>, tensor<8xf32>
}

// Tests that a chain stays apart from the norm that reads it first where a
// kernel that reads it stands before the norm.
// CHECK-LABEL: func.func @read_by_an_earlier_gradient
// CHECK:         train.kernel "add"
// CHECK:         train.kernel "rms_norm_grad_add"
// CHECK:         train.kernel "rms_normalization"
func.func @read_by_an_earlier_gradient(%x: tensor<4x8xf32>, %dy: tensor<4x8xf32>, %g: tensor<8xf32>, %r: tensor<4xf32>) -> (tensor<4x8xf32>, tensor<2x8xf32>, tensor<4x8xf32>) {
  %c = onnx.add %x, %dy : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %d, %p = train.rms_norm_grad %x, %dy, %g, %r : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32> parts tensor<2x8xf32>
  %y, %t = onnx.rms_normalization %c, %g epsilon 1.0e-5 : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>)
  %s = onnx.add %c, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %s, %p, %y : tensor<4x8xf32>, tensor<2x8xf32>, tensor<4x8xf32>
}

// -----

// Tests that products of f32 and bf16 are left to the library, and that those
// of bf16, biases apart, become kernels where it has none.
// CHECK-LABEL: func @products
// CHECK-COUNT-2: onnx.matmul
// CHECK:         train.kernel "add"
// CHECK-NOT:     onnx.matmul
// CHECK:         return
// GENERATED-LABEL: func @products
// GENERATED:         onnx.matmul {{.*}}xf32>
// GENERATED:         %[[P:.*]] = train.kernel "matmul"(%{{.*}}, %{{.*}}) {scope = "h.0"} : (tensor<2x4xbf16>, tensor<3x4xbf16>) -> tensor<2x3xbf16>
// GENERATED:           onnx.matmul {{.*}}transB
// GENERATED:         train.kernel "add"(%[[P]]
// GENERATED:         return
func.func @products(%x: tensor<2x4xf32>, %w: tensor<4x3xf32>, %h: tensor<2x4xbf16>, %v: tensor<3x4xbf16>, %b: tensor<3xbf16>) -> (tensor<2x3xf32>, tensor<2x3xbf16>) {
  %0 = onnx.matmul %x, %w : tensor<2x4xf32>, tensor<4x3xf32> -> tensor<2x3xf32>
  %1 = onnx.matmul %h, %v {transB, scope = "h.0"} : tensor<2x4xbf16>, tensor<3x4xbf16> -> tensor<2x3xbf16>
  %2 = onnx.add %1, %b : tensor<2x3xbf16>, tensor<3xbf16> -> tensor<2x3xbf16>
  return %0, %2 : tensor<2x3xf32>, tensor<2x3xbf16>
}

// -----

// Tests that a reduction computes the chain that makes its operand, which then
// is never stored.
// CHECK-LABEL: func @chain_into_sum
// CHECK:         train.kernel "mul_add_reduce_sum"(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<8xf32>) -> tensor<8xf32>
// CHECK:           onnx.mul
// CHECK:           onnx.add
// CHECK:           onnx.reduce_sum
// CHECK-NOT:     train.kernel
func.func @chain_into_sum(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<8xf32> {
  %m = onnx.mul %x, %y : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  %s = onnx.add %m, %b : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32>
  %r = onnx.reduce_sum %s [0] keepdims false : tensor<4x8xf32> -> tensor<8xf32>
  return %r : tensor<8xf32>
}

// Tests that a value with a second reader is stored, and read by the reduction.
// CHECK-LABEL: func @sum_of_shared
// CHECK:         %[[E:.*]] = train.kernel "exp"
// CHECK:         train.kernel "reduce_mean"(%[[E]])
func.func @sum_of_shared(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<4x8xf32>) {
  %e = onnx.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %r = onnx.reduce_mean %e [1] keepdims false : tensor<4x8xf32> -> tensor<4xf32>
  return %r, %e : tensor<4xf32>, tensor<4x8xf32>
}

// Tests that no chain is moved over an op with side effects into a reduction.
// CHECK-LABEL: func @sum_in_backward
// CHECK:         train.kernel "exp"
// CHECK:         train.backward_begin
// CHECK:         train.kernel "reduce_max"
func.func @sum_in_backward(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  %e = onnx.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
  train.backward_begin
  %r = onnx.reduce_max %e [1] keepdims false : tensor<4x8xf32> -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// Tests that what a chain broadcasts stays out of the reduction: it would be
// computed once a row.
// CHECK-LABEL: func @sum_of_broadcast
// CHECK:         %[[E:.*]] = train.kernel "exp"
// CHECK:         train.kernel "mul_reduce_sum"(%{{.*}}, %[[E]])
func.func @sum_of_broadcast(%x: tensor<4x512xf32>, %b: tensor<512xf32>) -> tensor<4xf32> {
  %e = onnx.exp %b : tensor<512xf32> -> tensor<512xf32>
  %m = onnx.mul %x, %e : tensor<4x512xf32>, tensor<512xf32> -> tensor<4x512xf32>
  %r = onnx.reduce_sum %m [1] keepdims false : tensor<4x512xf32> -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// Tests that a chain with more than cheap ops stays out of a sum over rows.
// CHECK-LABEL: func @exp_into_sum_over_rows
// CHECK:         train.kernel "exp"
// CHECK:         train.kernel "reduce_sum"
func.func @exp_into_sum_over_rows(%x: tensor<4x512xf32>) -> tensor<512xf32> {
  %e = onnx.exp %x : tensor<4x512xf32> -> tensor<4x512xf32>
  %r = onnx.reduce_sum %e [0] keepdims false : tensor<4x512xf32> -> tensor<512xf32>
  return %r : tensor<512xf32>
}

// Tests that short rows, which may be added in another order, and long ones,
// which need a larger tile, stay apart from their chain.
// CHECK-LABEL: func @sum_of_short_and_long_rows
// CHECK:         train.kernel "exp"
// CHECK:         train.kernel "reduce_sum"
// CHECK:         train.kernel "exp"
// CHECK:         train.kernel "reduce_sum"
func.func @sum_of_short_and_long_rows(%x: tensor<4x255xf32>, %y: tensor<4x2049xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %d = onnx.exp %x : tensor<4x255xf32> -> tensor<4x255xf32>
  %r = onnx.reduce_sum %d [1] keepdims false : tensor<4x255xf32> -> tensor<4xf32>
  %e = onnx.exp %y : tensor<4x2049xf32> -> tensor<4x2049xf32>
  %s = onnx.reduce_sum %e [1] keepdims false : tensor<4x2049xf32> -> tensor<4xf32>
  return %r, %s : tensor<4xf32>, tensor<4xf32>
}

// Tests that a chain stays apart where an operand of its would cut the rows
// that are added at once.
// CHECK-LABEL: func @sum_cut_by_operand
// CHECK:         train.kernel "mul"
// CHECK:         train.kernel "reduce_sum"
func.func @sum_cut_by_operand(%x: tensor<4x3x512xf32>, %f: tensor<3x512xf32>) -> tensor<512xf32> {
  %m = onnx.mul %x, %f : tensor<4x3x512xf32>, tensor<3x512xf32> -> tensor<4x3x512xf32>
  %r = onnx.reduce_sum %m [0, 1] keepdims false : tensor<4x3x512xf32> -> tensor<512xf32>
  return %r : tensor<512xf32>
}

// Tests that a chain stays apart where no operand has the extents of the loop.
// CHECK-LABEL: func @sum_of_expanded
// CHECK:         %[[E:.*]] = train.kernel "expand"
// CHECK:         train.kernel "reduce_sum"(%[[E]])
func.func @sum_of_expanded(%x: tensor<4x1xf32>) -> tensor<4xf32> {
  %e = onnx.expand %x : tensor<4x1xf32> -> tensor<4x512xf32>
  %r = onnx.reduce_sum %e [1] keepdims false : tensor<4x512xf32> -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

// Tests that a product of f16 is the library's where that has it.
// CHECK-LABEL: func @product_of_f16
// CHECK:         train.kernel "matmul"
// F16-LABEL: func @product_of_f16
// F16-NEXT:    onnx.matmul
func.func @product_of_f16(%x: tensor<4x8xf16>, %w: tensor<8x3xf16>) -> tensor<4x3xf16> {
  %y = onnx.matmul %x, %w : tensor<4x8xf16>, tensor<8x3xf16> -> tensor<4x3xf16>
  return %y : tensor<4x3xf16>
}
