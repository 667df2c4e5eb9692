// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that a kernel's region takes the operands' types.
func.func @kernel_arguments(%x: tensor<4xf32>) {
  // expected-error @+1 {{region arguments do not match the operands}}
  %y = train.kernel "k"(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf64>):
    %b = onnx.cast %a : tensor<4xf64> -> tensor<4xf32>
    train.yield %b : tensor<4xf32>
  }
  return
}

// -----

// Tests that a kernel yields its results.
func.func @kernel_results(%x: tensor<4xf32>) {
  // expected-error @+1 {{yielded values do not match the results}}
  %y = train.kernel "k"(%x) : (tensor<4xf32>) -> tensor<2xf32> {
  ^bb0(%a: tensor<4xf32>):
    train.yield %a : tensor<4xf32>
  }
  return
}

// -----

// Tests that nothing with side effects stands in a kernel.
onnx.parameter @w : tensor<4xf32>
func.func @kernel_effects(%x: tensor<4xf32>) {
  // expected-error @+1 {{holds 'onnx.read', which has side effects}}
  %y = train.kernel "k"(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %w = onnx.read @w : tensor<4xf32>
    train.yield %w : tensor<4xf32>
  }
  return
}

// -----

// Tests that a gradient has the type of its logits.
func.func @cross_entropy_grad_type(%x: tensor<2x4xf32>, %y: tensor<2xi64>, %l: tensor<2xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{failed to verify that all of {logits, dlogits} have same type}}
  %d = "train.cross_entropy_grad"(%x, %y, %l, %s) {ignore_index = -100 : i64} : (tensor<2x4xf32>, tensor<2xi64>, tensor<2xf32>, tensor<f32>) -> tensor<4x2xf32>
  return
}

// -----

// Tests that an update names one of the optimizers' rules.
onnx.parameter @w : tensor<4xf32>
func.func @update_rule(%g: tensor<4xf32>, %lr: tensor<f32>) {
  // expected-error @+1 {{attribute 'rule' failed to satisfy constraint}}
  train.update @w, %g lr %lr step %lr {rule = "lion"} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a barrier without operands is rejected.
func.func @barrier_c1() {
  // expected-error @+1 {{has no operand, expected at least one (barrier_c1)}}
  "train.barrier"() : () -> ()
  return
}

// -----

// Tests that a barrier's results have its operands' types.
func.func @barrier_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{results do not have the operands' types (barrier_c2)}}
  %y = train.barrier %x : tensor<4xf32> -> tensor<2x2xf32>
  return
}

// -----

func.func @norm_grad_c1_shape(%x: tensor<2x4xf32>, %w: tensor<4xf32>, %r: tensor<2xf32>) {
  // expected-error @+1 {{has a part of type 'tensor<3x4xf32>', expected one of shape [P, 4] of 'f32', all of one P, at most the number of rows (norm_grad_c1)}}
  %d, %p = train.rms_norm_grad %x, %x, %w, %r : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32> parts tensor<3x4xf32>
  return
}

// -----

func.func @norm_grad_c1_number(%x: tensor<2x4xf32>, %w: tensor<4xf32>, %r: tensor<2xf32>) {
  // expected-error @+1 {{has 1 parts, expected none or 2 (norm_grad_c1)}}
  %d, %p = train.layer_norm_grad %x, %x, %w, %r, %r : tensor<2x4xf32>, tensor<4xf32>, tensor<2xf32>, tensor<2xf32> parts tensor<1x4xf32>
  return
}

// -----

// Tests that a product with additions obeys the product's rules.
func.func @matmul_c2(%x: tensor<4x8xf32>, %w: tensor<3x5xf32>) -> tensor<4x5xf32> {
  // expected-error @+1 {{contracted extents 8 and 3 differ (matmul_c2)}}
  %y = train.linear %x, %w : (tensor<4x8xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// -----

func.func @linear_c1(%x: tensor<4x8xf32>, %w: tensor<8x5xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{result type 'tensor<4x6xf32>' is not the product's 'tensor<4x5xf32>' (linear_c1)}}
  %y = train.linear %x, %w : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @linear_c2(%x: tensor<4x8xf32>, %w: tensor<8x5xf32>, %b: tensor<4x5xf32>) -> tensor<4x5xf32> {
  // expected-error @+1 {{bias type 'tensor<4x5xf32>' is not one row of 'tensor<4x5xf32>' (linear_c2)}}
  %y = train.linear %x, %w bias %b : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// -----

func.func @linear_c3(%x: tensor<4x8xf32>, %w: tensor<8x5xf32>, %r: tensor<2x5xf32>) -> tensor<4x5xf32> {
  // expected-error @+1 {{residual type 'tensor<2x5xf32>' is not the result's 'tensor<4x5xf32>' (linear_c3)}}
  %y = train.linear %x, %w residual %r : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<2x5xf32>) -> tensor<4x5xf32>
  return %y : tensor<4x5xf32>
}

// -----

// Tests that a block's maxima are a row's each.
func.func @attention_rows_c1(%s: tensor<1x2x3x4xf32>) {
  // expected-error @+1 {{has scores of type 'tensor<1x2x3x4xf32>' for probabilities of type 'tensor<1x2x3x4xbf16>' and rows of types 'tensor<1x2xf32>' and 'tensor<1x2x3xf32>' (attention_rows_c1)}}
  %p, %m, %t = train.attention_rows %s first 0 of 3 x 4 scale 1.0 : (tensor<1x2x3x4xf32>) -> (tensor<1x2x3x4xbf16>, tensor<1x2xf32>, tensor<1x2x3xf32>)
  return
}

// -----

// Tests that a causal block has the columns that its last row sees.
func.func @attention_rows_c2(%s: tensor<1x2x3x4xf32>) {
  // expected-error @+1 {{has rows from 0 on of 4 x 4 scores of shape [1, 2, 3, 4], expected 3 columns (attention_rows_c2)}}
  %p, %m, %t = train.attention_rows %s first 0 of 4 x 4 scale 1.0 {causal} : (tensor<1x2x3x4xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>)
  return
}

// -----

// Tests that a mask is one of all rows.
func.func @attention_rows_c3(%s: tensor<1x2x3x4xf32>, %m: tensor<3x4xf32>) {
  // expected-error @+1 {{has a mask of type 'tensor<3x4xf32>', expected one that broadcasts to [1, 2, 6, 4] (attention_rows_c3)}}
  %p, %x, %t = train.attention_rows %s mask %m first 0 of 6 x 4 scale 1.0 : (tensor<1x2x3x4xf32>, tensor<3x4xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>)
  return
}

// -----

// Tests that gradients of scores are of the scores' type.
func.func @attention_divide_c1(%x: tensor<1x2x3x4xf32>, %t: tensor<1x2x4xf32>) {
  // expected-error @+1 {{makes 'tensor<1x2x3x4xbf16>' of values of type 'tensor<1x2x3x4xf32>' and sums of type 'tensor<1x2x4xf32>' (attention_divide_c1)}}
  %y = train.attention_divide %x by %t blocks 1 : (tensor<1x2x3x4xf32>, tensor<1x2x4xf32>) -> tensor<1x2x3x4xbf16>
  return
}

// -----

func.func @attention_divide_c2(%x: tensor<1x2x3x4xf32>, %t: tensor<1x2x3xf32>) {
  // expected-error @+1 {{has blocks of 4 rows, expected 1 to 3 (attention_divide_c2)}}
  %y = train.attention_divide %x by %t blocks 4 : (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>) -> tensor<1x2x3x4xbf16>
  return
}

// -----

func.func @attention_rows_grad_c1(%s: tensor<1x2x3x4xf32>, %x: tensor<1x2x3xf32>, %d: tensor<1x2x3x4xbf16>) {
  // expected-error @+1 {{has dp of type 'tensor<1x2x3x4xbf16>' and ds of type 'tensor<1x2x3x4xf32>', expected those of scores and p (attention_rows_c1)}}
  %p, %e = train.attention_rows_grad %s saved %x, %x grad %d first 0 of 3 x 4 scale 1.0 : (tensor<1x2x3x4xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3x4xbf16>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>)
  return
}

// -----

// Tests that reduce_parts_c1 rejects axes that are no neighbours.
func.func @reduce_parts_axes(%x: tensor<3x4x2xf32>) {
  // expected-error @+1 {{reduces axes 0, 2 of 'tensor<3x4x2xf32>', expected neighbours in order (reduce_parts_c1)}}
  %y = train.reduce_parts %x [0, 2] size 3 : tensor<3x4x2xf32> -> tensor<2x4xf64>
  return
}

// -----

// Tests that reduce_parts_c1 rejects no axis.
func.func @reduce_parts_none(%x: tensor<3x4x2xf32>) {
  // expected-error @+1 {{has no axis, or a size or divisor below 1 (reduce_parts_c1, reduce_parts_c2)}}
  %y = train.reduce_parts %x [] size 3 : tensor<3x4x2xf32> -> tensor<3x4x2xf64>
  return
}

// -----

// Tests that reduce_parts_c2 rejects fewer parts than there are.
func.func @reduce_parts_shape(%x: tensor<3x4x2xf32>) {
  // expected-error @+1 {{has the result 'tensor<2x2xf64>', expected 3 parts of 2 elements (reduce_parts_c2)}}
  %y = train.reduce_parts %x [0, 1] size 5 : tensor<3x4x2xf32> -> tensor<2x2xf64>
  return
}

// -----

// Tests that reduce_parts_c3 rejects integers of floats.
func.func @reduce_parts_type(%x: tensor<3x4xf32>) {
  // expected-error @+1 {{is of 'f32' to 'i64', expected floats or one type (reduce_parts_c3)}}
  %y = train.reduce_parts %x [0] size 3 : tensor<3x4xf32> -> tensor<4xi64>
  return
}

// -----

// Tests that sum_of_squares_c1 rejects blocks that do not hold all.
func.func @sum_of_squares_blocks(%x: tensor<9xf32>) {
  // expected-error @+1 {{has 2 blocks of 4 elements for 9 (sum_of_squares_c1)}}
  %y = train.sum_of_squares %x {block = 4 : i64} : tensor<9xf32> -> tensor<2xf64>
  return
}

// -----

// Tests that order_indices_c1 rejects another number of places.
func.func @order_indices_count(%i: tensor<2x3xi64>) {
  // expected-error @+1 {{has order 'tensor<5xi32>' and sorted 'tensor<5xi32>', expected 6 elements each of one type (order_indices_c1)}}
  %o, %s = train.order_indices %i rows 8 : (tensor<2x3xi64>) -> (tensor<5xi32>, tensor<5xi32>)
  return
}

// -----

// Tests that order_indices_c1 rejects rows of another width.
func.func @gather_grad_ordered_rows(%o: tensor<6xi32>, %dy: tensor<6x3xf32>) {
  // expected-error @+1 {{has dy of 18 elements for rows of 4 (order_indices_c1)}}
  %d = train.gather_grad_ordered %o, %o, %dy : (tensor<6xi32>, tensor<6xi32>, tensor<6x3xf32>) -> tensor<8x4xf32>
  return
}

// -----

// Tests that state_c1 rejects what is no scalar.
// expected-error @+1 {{has type 'tensor<4xf32>', expected a scalar of f32 or f64 (state_c1)}}
train.state @loss : tensor<4xf32>

// -----

// Tests that state_c2 rejects a state that nothing declares.
func.func @no_state(%x: tensor<f32>) {
  // expected-error @+1 {{uses state @loss as 'tensor<f32>', which is not declared (state_c2)}}
  %y = train.accumulate @loss, %x at %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return
}

// -----

// Tests that a rule's numbers are in their intervals.
func.func @rule_numbers() {
  // expected-error @+1 {{adamw: beta1 is 1, expected a number in [0, 1)}}
  "train.x"() {rule = #train.adamw<beta1 = 1.0, beta2 = 0.5, eps = 1.0e-8, decay = 0.0>} : () -> ()
  return
}

// -----

// Tests that state_c2 rejects a state of another type.
train.state @count : tensor<f64>
func.func @other_state(%x: tensor<f32>) {
  // expected-error @+1 {{uses state @count as 'tensor<f32>', which is declared as 'tensor<f64>' (state_c2)}}
  %y = train.total @count, %x of %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return
}

// -----

// Tests that ranges are in order.
#rule = #train.sgd<momentum = 0.0, decay = 0.0>
func.func @flat_update_c1(%p: tensor<8xf32>, %lr: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{has a range that ends at 4 after 6 (flat_update_c1)}}
  %q = train.flat_update (%p, %p lr %lr rank %r) [#train.range<end = 6, rule = #rule>, #train.range<end = 4, rule = #rule>] : (tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<i64>) -> tensor<8xf32>
  return
}

// -----

// Tests that all ranges update the same states.
func.func @flat_update_c1_states(%p: tensor<8xf32>, %lr: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{has rules with states [] and [momentum_buffer] (flat_update_c1)}}
  %q = train.flat_update (%p, %p lr %lr rank %r) [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>, #train.range<end = 8, rule = #train.sgd<momentum = 0.9, decay = 0.0>>] : (tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<i64>) -> tensor<8xf32>
  return
}

// -----

// Tests that a rule has its states and the number of the step.
func.func @flat_update_c2(%p: tensor<8xf32>, %lr: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{has 2 states and no step, expected 2 and one (flat_update_c2)}}
  %q:3 = train.flat_update (%p, %p states %p, %p lr %lr rank %r) [#train.range<end = 8, rule = #train.adamw<beta1 = 0.9, beta2 = 0.5, eps = 1.0e-8, decay = 0.0>>] : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<i64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

// Tests that gradients and states are as long as the parameters.
func.func @flat_update_c3(%p: tensor<8xf32>, %g: tensor<7xf32>, %lr: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{expected those of p for 0 states (flat_update_c3)}}
  %q = train.flat_update (%p, %g lr %lr rank %r) [#train.range<end = 8, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] : (tensor<8xf32>, tensor<7xf32>, tensor<f32>, tensor<i64>) -> tensor<8xf32>
  return
}

// -----

// Tests that an average keeps some of itself, and not all.
// expected-error @+1 {{averaged: keep is 1.000000e+00, expected a number in (0, 1)}}
#rule = #train.averaged<rule = #train.sgd<momentum = 0.0, decay = 0.0>, keep = 1.0>

// -----

// Tests that there is one average of a parameter.
// expected-error @+1 {{averaged: the rule is averaged already}}
#rule = #train.averaged<rule = #train.averaged<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, keep = 0.9>, keep = 0.9>

// -----

// Tests that what is rounded has states, and is no average.
// expected-error @+1 {{rounded: the rule #train.sgd<momentum = 0.000000e+00 : f64, decay = 0.000000e+00 : f64> is not one of 1 to 4 states that is neither averaged nor rounded}}
#rule = #train.rounded<rule = #train.sgd<momentum = 0.0, decay = 0.0>, type = bf16>

// -----

// Tests that averages are not rounded.
// expected-error @+1 {{is not one of 1 to 4 states that is neither averaged nor rounded}}
#rule = #train.rounded<rule = #train.averaged<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, keep = 0.9>, type = bf16>

// -----

// Tests that states are rounded to bf16.
// expected-error @+1 {{rounded: states are kept in 'f16', expected bf16}}
#rule = #train.rounded<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, type = f16>

// -----

// Tests that what rounds has a key for each parameter.
#rounded = #train.rounded<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, type = bf16>
func.func @flat_update_c4(%p: tensor<8xf32>, %m: tensor<8xbf16>, %s: tensor<f32>, %r: tensor<i64>, %k: tensor<2xi64>) {
  // expected-error @+1 {{of 1 ranges rounds its states, expected f32 parameters, a step, a seed, an i64 key and a stride for each range (flat_update_c4)}}
  %q, %n = train.flat_update (%p, %p states %m lr %s step %s rank %r seed %r keys %k) [#train.range<end = 8, rule = #rounded, stride = 8>] : (tensor<8xf32>, tensor<8xf32>, tensor<8xbf16>, tensor<f32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<2xi64>) -> (tensor<8xf32>, tensor<8xbf16>)
  return
}

// -----

// Tests that what rounds knows the step, even if its rule does not ask for it.
#rounded = #train.rounded<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, type = bf16>
func.func @flat_update_c4_step(%p: tensor<8xf32>, %m: tensor<8xbf16>, %s: tensor<f32>, %r: tensor<i64>, %k: tensor<1xi64>) {
  // expected-error @+1 {{rounds its states, expected f32 parameters, a step}}
  %q, %n = train.flat_update (%p, %p states %m lr %s rank %r seed %r keys %k) [#train.range<end = 8, rule = #rounded, stride = 8>] : (tensor<8xf32>, tensor<8xf32>, tensor<8xbf16>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<1xi64>) -> (tensor<8xf32>, tensor<8xbf16>)
  return
}

// -----

// Tests that the seed is one number.
#rounded = #train.rounded<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, type = bf16>
func.func @flat_update_c4_seed(%p: tensor<8xf32>, %m: tensor<8xbf16>, %s: tensor<f32>, %r: tensor<i64>, %k: tensor<1xi64>) {
  // expected-error @+1 {{rounds its states, expected f32 parameters, a step, a seed}}
  %q, %n = train.flat_update (%p, %p states %m lr %s step %s rank %r seed %k keys %k) [#train.range<end = 8, rule = #rounded, stride = 8>] : (tensor<8xf32>, tensor<8xf32>, tensor<8xbf16>, tensor<f32>, tensor<f32>, tensor<i64>, tensor<1xi64>, tensor<1xi64>) -> (tensor<8xf32>, tensor<8xbf16>)
  return
}

// -----

// Tests that nothing else has keys.
func.func @flat_update_c4_none(%p: tensor<8xf32>, %s: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{rounds no state, expected no seed, keys and strides (flat_update_c4)}}
  %q = train.flat_update (%p, %p lr %s rank %r seed %r) [#train.range<end = 8, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] : (tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<i64>, tensor<i64>) -> tensor<8xf32>
  return
}

// -----

// Tests that states are in the type that they are rounded to.
#rounded = #train.rounded<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, type = bf16>
func.func @flat_update_c3_rounded(%p: tensor<8xf32>, %s: tensor<f32>, %r: tensor<i64>, %k: tensor<1xi64>) {
  // expected-error @+1 {{expected those of p for 1 states (flat_update_c3)}}
  %q, %n = train.flat_update (%p, %p states %p lr %s step %s rank %r seed %r keys %k) [#train.range<end = 8, rule = #rounded, stride = 8>] : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<1xi64>) -> (tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

// Tests that moments of rows and columns are no state of a range's elements.
func.func @flat_update_c1_factored(%p: tensor<8xf32>, %lr: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{has a rule with factored moments (flat_update_c1)}}
  %q = train.flat_update (%p, %p lr %lr step %lr rank %r) [#train.range<end = 8, rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>>] : (tensor<8xf32>, tensor<8xf32>, tensor<f32>, tensor<f32>, tensor<i64>) -> tensor<8xf32>
  return
}

// -----

// Tests the numbers of a rule.
// expected-error @+1 {{adafactor: d is 0.5, expected a number in [1, 3.4e+38]}}
#rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 0.5, decay = 0.0>

// -----

// Tests that a piece's rule keeps moments of rows and columns.
// expected-error @+1 {{piece goes by 'sgd', which keeps no factored moments (piece_c1)}}
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #train.sgd<momentum = 0.0, decay = 0.0>>

// -----

// Tests that vectors are not many.
// expected-error @+1 {{piece of 2 x 0 x 4 elements at 0 with stride 8 in [0, 8) (piece_c1)}}
#piece = #train.piece<batch = 2, rows = 0, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>>

// -----

// Tests that there is a sum for each row, column and block.
#rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #rule>
func.func @factor_sums_c1(%p: tensor<8xf32>, %r: tensor<i64>) {
  // expected-error @+1 {{expected a shard that holds 1 pieces, its gradient and 7 sums (factor_sums_c1)}}
  %s = train.factor_sums (%p, %p rank %r) [#piece] : (tensor<8xf32>, tensor<8xf32>, tensor<i64>) -> tensor<6xf64>
  return
}

// -----

// Tests that a piece ends in the shard.
#rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #rule>
func.func @factor_sums_c1_shard(%p: tensor<7xf32>, %r: tensor<i64>) {
  // expected-error @+1 {{expected a shard that holds 1 pieces}}
  %s = train.factor_sums (%p, %p rank %r) [#piece] : (tensor<7xf32>, tensor<7xf32>, tensor<i64>) -> tensor<7xf64>
  return
}

// -----

// Tests that there is a factor for each row and column.
#rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #rule>
func.func @factor_states_c1(%f: tensor<5xf32>, %s: tensor<7xf64>, %t: tensor<f32>) {
  // expected-error @+1 {{expected 6 of the pieces (factor_states_c1)}}
  %u = train.factor_states (%f, %s step %t) [#piece] : (tensor<5xf32>, tensor<7xf64>, tensor<f32>) -> tensor<5xf32>
  return
}

// -----

// Tests that there is a sum for each block.
#rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #rule>
func.func @factor_squares_c1(%g: tensor<8xf32>, %f: tensor<6xf32>, %r: tensor<i64>) {
  // expected-error @+1 {{expected a shard that holds 1 pieces, 6 factors and 1 sums (factor_squares_c1)}}
  %q = train.factor_squares (%g factors %f rank %r) [#piece] : (tensor<8xf32>, tensor<6xf32>, tensor<i64>) -> tensor<2xf64>
  return
}

// -----

// Tests that an update reads the sums of all blocks.
#rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #rule>
func.func @factor_update_c1(%p: tensor<8xf32>, %f: tensor<6xf32>, %s: tensor<6xf64>, %q: tensor<1xf64>, %t: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{6 factors, 7 sums and 1 squares (factor_update_c1)}}
  %u = train.factor_update (%p, %p factors %f sums %s, %q lr %t step %t rank %r) [#piece] : (tensor<8xf32>, tensor<8xf32>, tensor<6xf32>, tensor<6xf64>, tensor<1xf64>, tensor<f32>, tensor<f32>, tensor<i64>) -> tensor<8xf32>
  return
}

// -----

// Tests that an update has the states of its rules.
#rule = #train.averaged<rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>, keep = 0.9>
#piece = #train.piece<batch = 1, rows = 2, columns = 4, offset = 0, stride = 8, begin = 0, end = 8, rule = #rule>
func.func @factor_update_c2(%p: tensor<8xf32>, %f: tensor<6xf32>, %s: tensor<7xf64>, %q: tensor<1xf64>, %t: tensor<f32>, %r: tensor<i64>) {
  // expected-error @+1 {{expected those of its rules like p, 'tensor<8xf32>' (factor_update_c2)}}
  %u = train.factor_update (%p, %p factors %f sums %s, %q lr %t step %t rank %r) [#piece] : (tensor<8xf32>, tensor<8xf32>, tensor<6xf32>, tensor<7xf64>, tensor<1xf64>, tensor<f32>, tensor<f32>, tensor<i64>) -> tensor<8xf32>
  return
}
