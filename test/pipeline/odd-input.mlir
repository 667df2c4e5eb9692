// RUN: %python %S/odd_input.py %s
// RUN: not fsdp-opt %s --split-input-file --convert-fsdp-to-fsdprt 2>&1 | FileCheck %s --check-prefix=PLAN
// RUN: not fsdp-opt %s --split-input-file --train-attach-loss=loss=cross_entropy 2>&1 | FileCheck %s --check-prefix=LOSS
// RUN: not fsdp-opt %s --split-input-file --train-build-update=optimizer=sgd 2>&1 | FileCheck %s --check-prefix=UPDATE

// Tests that every pass takes, or refuses with one error, what is valid IR but
// nothing that the stage before it makes. First: an empty module.
// PLAN: error: module has no function 'init', which this stage works on
module {}

// -----

// Only declarations.
// LOSS: error: function 'forward' is declared, but has no body
// PLAN: error: function 'init' is declared, but has no body
func.func private @forward(tensor<4xf32>) -> tensor<4xf32>
func.func private @step(tensor<4xf32>) -> tensor<4xf32>
func.func private @init()
func.func private @export()

// -----

// Arguments and results that are not tensors, or of unknown size.
// LOSS: error: the model has 0 outputs that can be logits
// PLAN: error: 'step' has argument 0 of type 'i32', expected a tensor of numbers with static shape
func.func @forward(%a: i32, %b: index, %c: memref<4xf32>, %t: tensor<*xf32>, %d: tensor<?x4xf32>) -> (i32, tensor<*xf32>, tensor<?x4xf32>) {
  return %a, %t, %d : i32, tensor<*xf32>, tensor<?x4xf32>
}
func.func @step(%a: i32, %b: index, %c: memref<4xf32>, %t: tensor<*xf32>, %d: tensor<?x4xf32>) -> (i32, tensor<*xf32>, tensor<?x4xf32>) {
  return %a, %t, %d : i32, tensor<*xf32>, tensor<?x4xf32>
}
func.func @init() { return }
func.func @export() { return }

// -----

// Two functions, none of which any stage works on.
func.func @a(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
func.func @b(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }

// -----

// The functions of all stages, without roles.
// PLAN: error: 'step' has argument 0 without 'train.role': run --train-attach-loss
func.func @forward(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
func.func @init() { return }
func.func @export() { return }

// -----

// A phase with arguments.
// PLAN: error: 'init' has type '(tensor<f32>) -> ()', expected no arguments and no results
func.func @step(%x: tensor<f32> {train.role = "lr"}) -> (tensor<f32> {train.role = "loss"}) {
  return %x : tensor<f32>
}
func.func @init(%x: tensor<f32>) { return }
func.func @export() { return }

// -----

// A gradient, but no loss.
// UPDATE: error: 'step' returns 0 values, expected the loss and the number of valid tokens
onnx.parameter @w : tensor<5xf32>
func.func @step(%g: tensor<5xf32>) {
  train.gradient @w, %g : tensor<5xf32>
  return
}

// -----

// A model whose loss depends on nothing.
func.func @forward(%x: tensor<2x3x5xf32>, %l: tensor<2x3xi64>) -> tensor<f32> {
  %r = onnx.softmax_cross_entropy_loss %x, %l ignore -100 : tensor<2x3x5xf32>, tensor<2x3xi64> -> tensor<f32>
  return %r : tensor<f32>
}
func.func @step(%x: tensor<2x3x5xf32>, %l: tensor<2x3xi64>) -> tensor<f32> {
  %r = onnx.softmax_cross_entropy_loss %x, %l ignore -100 : tensor<2x3x5xf32>, tensor<2x3xi64> -> tensor<f32>
  return %r : tensor<f32>
}

// -----

// A line that nothing declares.
// PLAN: error: 'fsdp.load' op names line 0 of unit 'h.0', which is not declared
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step() { return }
func.func @export() { return }

// -----

// A line that nothing loads.
// PLAN: error: 'fsdp.all_gather_start' op names line 0 of unit 'h.0', which 'init' does not load
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
func.func @init() { return }
func.func @step() {
  %s = fsdp.shards "h.0" line 0 : !shard
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w = fsdp.wait %p : <tensor<4xf32>> -> tensor<4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4xf32>
  return
}
func.func @export() { return }

// -----

// A line of another layout than the op's.
// PLAN: error: 'fsdp.all_gather_start' op has another layout than line 0 of unit 'h.0'
#mesh = #fsdp.mesh<"shard" = 2>
#short = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#long = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf32> at 16]>
!a = !fsdp.sharded<tensor<4xf32>, #long, 0>
!b = !fsdp.sharded<tensor<4xf32>, #long, 1>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#fsdp.line<layout = #short, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step() {
  %s:2 = fsdp.shards "h.0" line 0 : !a, !b
  %p = fsdp.all_gather_start "h.0" line 0(%s#0, %s#1) over ["shard"] : (!a, !b) -> !fsdp.pending<tensor<4xf32>, tensor<4xf32>>
  %w:2 = fsdp.wait %p : <tensor<4xf32>, tensor<4xf32>> -> tensor<4xf32>, tensor<4xf32>
  fsdp.release "h.0" line 0(%w#0, %w#1) : tensor<4xf32>, tensor<4xf32>
  return
}
func.func @export() { return }

// -----

// A planned program.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %e = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// A gradient of no parameter.
func.func @step(%y: tensor<4xf32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  train.gradient @nope, %y : tensor<4xf32>
  return %n, %n : tensor<f32>, tensor<f32>
}

// -----

// A line that the step loads and init does not.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
onnx.parameter @"h.0.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
func.func @init() { return }
func.func @step(%y: tensor<4xf32> {train.role = "tokens"}) {
  fsdp.load "h.0" line 0
  return
}
func.func @export() { return }
