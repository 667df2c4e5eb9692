// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --split-input-file --verify-diagnostics | FileCheck %s
// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --plan-assign-offsets --fsdprt-verify --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=PLACED

// Tests that a step is parted into phases where its microbatch ends, that
// reduced gradients live until the update and are summed up where they are,
// that sums of the microbatches are kept in an arena of their own, and scalars
// in that of states.
// CHECK-DAG: fsdprt.buffer [[COUNT:[0-9]+]] "valid_tokens" accumulator unit "" phase "" bytes 4 arena 0
// CHECK-DAG: fsdprt.buffer [[SUMS:[0-9]+]] "h.0 accumulator" accumulator unit "h.0" phase "" bytes 64 arena 2
// CHECK-DAG: fsdprt.buffer [[REDUCED:[0-9]+]] "h.0 reduced" reduced unit "h.0" phase "step" until "update" bytes 64 arena 1
// CHECK-DAG: fsdprt.buffer [[AT:[0-9]+]] "microbatch" scalar {{.*}}role = "microbatch"
// CHECK-DAG: fsdprt.buffer [[NUMBER:[0-9]+]] "microbatches" scalar {{.*}}role = "microbatches"
// CHECK-LABEL: fsdprt.phase @count runs count
// CHECK: fsdprt.launch "count_valid" {{.*}}#fsdprt.arg<write [[OWN:[0-9]+]][0 : 4]>
// CHECK: fsdprt.launch "accumulate" {{.*}}[#fsdprt.arg<read [[OWN]][0 : 4]>, #fsdprt.arg<read [[COUNT]][0 : 4]>, #fsdprt.arg<read [[AT]][0 : 4]>, #fsdprt.arg<write {{[0-9]+}}[0 : 4]>, #fsdprt.arg<write [[COUNT]][0 : 4]>]
// CHECK: fsdprt.join
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: fsdprt.launch "total" {{.*}}#fsdprt.arg<read [[COUNT]][0 : 4]>, #fsdprt.arg<read [[NUMBER]][0 : 4]>
// CHECK: fsdprt.reduce_scatter {{.*}}#fsdprt.arg<write [[REDUCED]][0 : 64]>
// CHECK: fsdprt.join
// CHECK-LABEL: fsdprt.phase @accumulate runs accumulate
// CHECK-NEXT: fsdprt.launch "accumulate" {{.*}}[#fsdprt.arg<read [[REDUCED]][0 : 64]>, #fsdprt.arg<read [[SUMS]][0 : 64]>, #fsdprt.arg<read [[AT]][0 : 4]>, #fsdprt.arg<write [[REDUCED]][0 : 64]>, #fsdprt.arg<write [[SUMS]][0 : 64]>]
// CHECK-NEXT: fsdprt.join
// CHECK-LABEL: fsdprt.phase @update runs update
// CHECK: fsdprt.launch "sgd" {{.*}}#fsdprt.arg<read [[REDUCED]][0 : 64]>
// CHECK: fsdprt.copy "result"
// CHECK-NEXT: fsdprt.join
// PLACED: fsdprt.arena 2 "accumulate" bytes 64 persistent for accumulate
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#sgd = #train.sgd<momentum = 0.0, decay = 0.0>
!w = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"h.0" lines [#line]
train.state @valid_tokens : tensor<f32>
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @count(%labels: tensor<4x4xi64> {train.role = "labels"}, %at: tensor<f32> {train.role = "microbatch"}) {
  %own = train.count_valid %labels ignore -100 : tensor<4x4xi64> -> tensor<f32>
  %sum = train.accumulate @valid_tokens, %own at %at : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return
}
func.func @step(%labels: tensor<4x4xi64> {train.role = "labels"}, %x: tensor<4x4xf32> {train.role = "tokens"}, %at: tensor<f32> {train.role = "microbatch"}, %number: tensor<f32> {train.role = "microbatches"}, %lr: tensor<f32> {train.role = "lr"})
    -> (tensor<f32> {train.role = "loss"}) {
  %own = train.count_valid %labels ignore -100 : tensor<4x4xi64> -> tensor<f32>
  %loss = train.total @valid_tokens, %own of %number : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %dw = onnx.exp %x : tensor<4x4xf32> -> tensor<4x4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (tensor<4x4xf32>) -> !fsdp.pending<!w>
  %g = fsdp.wait %q : <!w> -> !w
  train.update_begin
  %sum = fsdp.accumulate "h.0" line 0(%g) at %at : (!w, tensor<f32>) -> !w
  fsdp.update "h.0" line 0(%sum) lr %lr step %lr : (!w, tensor<f32>, tensor<f32>) -> ()
  return %loss : tensor<f32>
}
func.func @export() {
  return
}

// -----

// Tests that what is gathered for all microbatches of a step is in a phase of
// its own and in a buffer of none.
// CHECK: fsdprt.buffer [[FULL:[0-9]+]] "h.0 gathered" gathered unit "h.0" phase "" bytes 128 arena 0
// CHECK-LABEL: fsdprt.phase @gather runs gather
// CHECK-NEXT: %[[E:.*]] = fsdprt.all_gather {{.*}}#fsdprt.arg<write [[FULL]][0 : 128]>
// CHECK-NEXT: fsdprt.join {{.*}} wait(%[[E]])
// CHECK-NEXT: }
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK-NEXT: fsdprt.launch {{.*}}#fsdprt.arg<read [[FULL]][0 : 64]>
// CHECK-LABEL: fsdprt.phase @update runs update
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
!w = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4x4xf32> {train.role = "tokens"}, %lr: tensor<f32> {train.role = "lr"}) {
  %s = fsdp.shards "h.0" line 0 : !w
  %p = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!w) -> !fsdp.pending<tensor<4x4xf32>>
  %w = fsdp.wait %p : <tensor<4x4xf32>> -> tensor<4x4xf32>
  train.microbatch_begin
  %dw = onnx.mul %x, %w : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  fsdp.release "h.0" line 0(%w) : tensor<4x4xf32>
  %q = fsdp.reduce_scatter_start "h.0" line 0(%dw) over ["shard"] : (tensor<4x4xf32>) -> !fsdp.pending<!w>
  %g = fsdp.wait %q : <!w> -> !w
  train.update_begin
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!w, tensor<f32>, tensor<f32>) -> ()
  return
}
func.func @export() {
  return
}

// -----

// Tests that a count of what no step has is refused.
func.func @init() {
  return
}
// expected-error @+1 {{'count' has type '(tensor<2x4xi64>) -> ()', expected arguments of the step and no results}}
func.func @count(%labels: tensor<2x4xi64> {train.role = "labels"}) {
  return
}
func.func @step(%labels: tensor<4x4xi64> {train.role = "labels"}) {
  return
}
func.func @export() {
  return
}

// -----

// Tests that whole gradients are summed up in a line that stays, which each
// rank has in any case and the reduce-scatter of the update reads.
// CHECK-DAG: fsdprt.buffer [[SUMS:[0-9]+]] "h.0 accumulator" accumulator unit "h.0" phase "" bytes 128 arena 0
// CHECK-DAG: fsdprt.buffer [[GRADS:[0-9]+]] "h.0 gradients" gradient unit "h.0" phase "step" bytes 128 arena 1
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: fsdprt.launch "exp" {{.*}}#fsdprt.arg<write [[GRADS]][0 : 64]>
// CHECK: fsdprt.fill "zero_padding" byte 0 on compute [#fsdprt.arg<write [[GRADS]][64 : 64]>]
// CHECK: fsdprt.launch "accumulate" {{.*}}[#fsdprt.arg<read [[GRADS]][0 : 128]>, #fsdprt.arg<read [[SUMS]][0 : 128]>, #fsdprt.arg<read {{[0-9]+}}[0 : 4]>, #fsdprt.arg<write [[SUMS]][0 : 128]>]
// CHECK-NEXT: fsdprt.join
// CHECK-LABEL: fsdprt.phase @update runs update
// CHECK: fsdprt.reduce_scatter {{.*}}#fsdprt.arg<read [[SUMS]][0 : 128]>
// CHECK: fsdprt.launch "sgd"
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#sgd = #train.sgd<momentum = 0.0, decay = 0.0>
!w = !fsdp.sharded<tensor<4x4xf32>, #layout, 0>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4x4xf32> {train.role = "tokens"}, %at: tensor<f32> {train.role = "microbatch"}, %lr: tensor<f32> {train.role = "lr"}) {
  %dw = onnx.exp %x : tensor<4x4xf32> -> tensor<4x4xf32>
  %sum = fsdp.accumulate_gradients "h.0" line 0(%dw) at %at : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  train.update_begin
  %q = fsdp.reduce_scatter_start "h.0" line 0(%sum) over ["shard"] : (tensor<4x4xf32>) -> !fsdp.pending<!w>
  %g = fsdp.wait %q : <!w> -> !w
  fsdp.update "h.0" line 0(%g) lr %lr step %lr : (!w, tensor<f32>, tensor<f32>) -> ()
  return
}
func.func @export() {
  return
}

// -----

// Tests that what sums up other gradients than the line's is refused.
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#line = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"h.0" lines [#line]
func.func @init() {
  fsdp.load "h.0" line 0
  return
}
func.func @step(%x: tensor<4xf32> {train.role = "tokens"}, %at: tensor<f32> {train.role = "microbatch"}) {
  // expected-error @+1 {{does not take the gradients of line 0 of unit 'h.0', all in its order, in 'step'}}
  %sum = fsdp.accumulate_gradients "h.0" line 0(%x) at %at : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return
}
func.func @export() {
  return
}
