// RUN: fsdp-opt %s --fsdp-insert-gathers --split-input-file --verify-diagnostics | FileCheck %s

// Tests that a unit is gathered before its first use and released after its
// last, in forward and again in backward, and that the root unit is gathered
// once, up to its last use in backward.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.shards "(root)" line 0
// CHECK: fsdp.all_gather_start "(root)" line 0
// CHECK: %[[WTE:.*]] = fsdp.wait
// CHECK: %[[X:.*]] = onnx.add %{{.*}}, %[[WTE]]
// CHECK-NEXT: %[[SHARD:.*]] = fsdp.shards "h.0" line 0
// CHECK-NEXT: %[[START:.*]] = fsdp.all_gather_start "h.0" line 0(%[[SHARD]]) over ["shard"]
// CHECK-NEXT: %[[W:.*]] = fsdp.wait %[[START]]
// CHECK-NEXT: onnx.matmul %[[X]], %[[W]]
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[W]])
// CHECK-NEXT: train.backward_begin
// CHECK-NEXT: %[[SHARD:.*]] = fsdp.shards "h.0" line 0
// CHECK-NEXT: %[[START:.*]] = fsdp.all_gather_start "h.0" line 0(%[[SHARD]]) over ["shard"]
// CHECK-NEXT: %[[AGAIN:.*]] = fsdp.wait %[[START]]
// CHECK-NEXT: %[[D:.*]] = onnx.matmul %[[X]], %[[AGAIN]] {{.*}}transB
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[AGAIN]])
// CHECK-NEXT: onnx.mul %[[D]], %[[WTE]]
// CHECK-NEXT: fsdp.release "(root)" line 0(%[[WTE]])
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

// -----

// Tests that a chain on parameters alone is cloned behind the backward gather
// and that the release comes after the chain's last use, not after the
// parameter's own.
// CHECK-LABEL: func.func @step(
// CHECK: %[[W:.*]] = fsdp.wait
// CHECK-NEXT: %[[T:.*]] = onnx.transpose %[[W]]
// CHECK-NEXT: %[[E:.*]] = onnx.exp %[[T]]
// CHECK-NEXT: onnx.matmul %{{.*}}, %[[E]]
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[W]])
// CHECK-NEXT: train.backward_begin
// CHECK: %[[AGAIN:.*]] = fsdp.wait
// CHECK-NEXT: %[[T:.*]] = onnx.transpose %[[AGAIN]]
// CHECK-NEXT: %[[E:.*]] = onnx.exp %[[T]]
// CHECK-NEXT: %[[D:.*]] = onnx.matmul %{{.*}}, %[[E]]
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[AGAIN]])
// CHECK-NEXT: return %[[D]]
#mesh = #fsdp.mesh<"shard" = 2>
#block = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
fsdp.unit @"h.0" lines [#block]
func.func @step(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %w = onnx.read @"h.0.w" : tensor<4x4xf32>
  %t = onnx.transpose %w [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
  %e = onnx.exp %t : tensor<4x4xf32> -> tensor<4x4xf32>
  %y = onnx.matmul %x, %e : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %d = onnx.matmul %x, %e {transB} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %d : tensor<4x4xf32>
}

// -----

// Tests that a unit which is computed again after another one (a looped block)
// is gathered for each visit and released after it, and that what is computed
// from its parameters alone is computed in each, wherever it first stood.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: fsdp.shards "h.0"
// CHECK-NEXT: fsdp.all_gather_start "h.0"
// CHECK-NEXT: %[[A:.*]] = fsdp.wait
// CHECK-NEXT: %[[AT:.*]] = onnx.transpose %[[A]]
// CHECK-NEXT: onnx.matmul %{{.*}}, %[[AT]]
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[A]])
// CHECK-NEXT: fsdp.shards "h.1"
// CHECK-NEXT: fsdp.all_gather_start "h.1"
// CHECK-NEXT: %[[B:.*]] = fsdp.wait
// CHECK-NEXT: onnx.matmul %{{.*}}, %[[B]]
// CHECK-NEXT: fsdp.release "h.1" line 0(%[[B]])
// CHECK-NEXT: fsdp.shards "h.0"
// CHECK-NEXT: fsdp.all_gather_start "h.0"
// CHECK-NEXT: %[[AGAIN:.*]] = fsdp.wait
// CHECK-NEXT: %[[AT:.*]] = onnx.transpose %[[AGAIN]]
// CHECK-NEXT: onnx.matmul %{{.*}}, %[[AT]]
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[AGAIN]])
// CHECK-NEXT: train.backward_begin
// CHECK-NEXT: fsdp.shards "h.0"
// CHECK: fsdp.release "h.0"
// CHECK: fsdp.all_gather_start "h.1"
// CHECK: fsdp.release "h.1"
// CHECK: fsdp.all_gather_start "h.0"
// CHECK: fsdp.release "h.0"
// CHECK-NEXT: return
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4x4xf32> at 0]>
#first = #fsdp.line<layout = #layout, parameters = ["h.0.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#second = #fsdp.line<layout = #layout, parameters = ["h.1.w"], ranges = [#train.range<end = 16, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.1.w" : tensor<4x4xf32>
fsdp.unit @"h.0" lines [#first]
fsdp.unit @"h.1" lines [#second]
func.func @step(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = onnx.read @"h.0.w" : tensor<4x4xf32>
  %b = onnx.read @"h.1.w" : tensor<4x4xf32>
  %at = onnx.transpose %a [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
  %x1 = onnx.matmul %x, %at : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %x2 = onnx.matmul %x1, %b : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %x3 = onnx.matmul %x2, %at : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %d2 = onnx.matmul %x3, %at {transB} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %d1 = onnx.matmul %d2, %b {transB} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %d0 = onnx.matmul %d1, %at {transB} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %d0 : tensor<4x4xf32>
}

// -----

// Tests that an op which reads two units belongs to a visit of both: neither is
// gathered twice around it.
// CHECK-LABEL: func.func @step(
// CHECK-COUNT-2: fsdp.all_gather_start
// CHECK-NOT: fsdp.all_gather_start
// CHECK: train.backward_begin
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
#first = #fsdp.line<layout = #layout, parameters = ["h.0.w"]>
#second = #fsdp.line<layout = #layout, parameters = ["h.1.w"]>
onnx.parameter @"h.0.w" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#first]
fsdp.unit @"h.1" lines [#second]
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = onnx.read @"h.0.w" : tensor<4xf32>
  %b = onnx.read @"h.1.w" : tensor<4xf32>
  %x1 = onnx.add %x, %a : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %ab = onnx.mul %a, %b : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %x2 = onnx.add %x1, %ab : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %x3 = onnx.add %x2, %b : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  train.backward_begin
  return %x3 : tensor<4xf32>
}

// -----

// Tests that a unit which backward does not read is not gathered again, that
// one collective gathers all parameters of a line, and that a line nothing
// reads is not gathered at all.
// CHECK-LABEL: func.func @step(
// CHECK: fsdp.all_gather_start "h.0" line 0
// CHECK: %[[FULL:.*]]:2 = fsdp.wait
// CHECK-NEXT: onnx.add %{{.*}}, %[[FULL]]#0
// CHECK-NEXT: onnx.add %{{.*}}, %[[FULL]]#1
// CHECK-NEXT: fsdp.release "h.0" line 0(%[[FULL]]#0, %[[FULL]]#1)
// CHECK-NOT: fsdp.all_gather_start
#mesh = #fsdp.mesh<"shard" = 2>
#block = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0, tensor<4xf32> at 16]>, parameters = ["h.0.a", "h.0.b"], ranges = [#train.range<end = 20, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
#unused = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["h.1.w"]>
onnx.parameter @"h.0.a" : tensor<4xf32>
onnx.parameter @"h.0.b" : tensor<4xf32>
onnx.parameter @"h.1.w" : tensor<4xf32>
fsdp.unit @"h.0" lines [#block]
fsdp.unit @"h.1" lines [#unused]
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = onnx.read @"h.0.a" : tensor<4xf32>
  %b = onnx.read @"h.0.b" : tensor<4xf32>
  %y = onnx.add %x, %a : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %z = onnx.add %y, %b : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  train.backward_begin
  return %z : tensor<4xf32>
}

// -----

// Tests that a line that is gathered in bf16 is: what was cast reads the result.
// CHECK-LABEL: func.func @step(
// CHECK: %[[SHARD:.*]] = fsdp.shards "(root)" line 0 : !fsdp.sharded<tensor<32xbf16>
// CHECK-NEXT: fsdp.all_gather_start "(root)" line 0(%[[SHARD]])
// CHECK-NEXT: %[[W:.*]] = fsdp.wait %{{.*}} -> tensor<32xbf16>
// CHECK-NEXT: onnx.add %{{.*}}, %[[W]]
// CHECK-NOT: onnx.cast
#mesh = #fsdp.mesh<"shard" = 2>
#half = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<32xf32> at 0], align = 32>, parameters = ["w"], ranges = [#train.range<end = 32, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] gather = bf16>
onnx.parameter @w : tensor<32xf32>
fsdp.unit @"(root)" root lines [#half]
func.func @step(%x: tensor<32xbf16>) -> tensor<32xbf16> {
  %w = onnx.read @w : tensor<32xf32>
  %n = onnx.cast %w : tensor<32xf32> -> tensor<32xbf16>
  train.backward_begin
  %y = onnx.add %x, %n : tensor<32xbf16>, tensor<32xbf16> -> tensor<32xbf16>
  return %y : tensor<32xbf16>
}

// -----

// Tests that such a line may not be read in f32.
#mesh = #fsdp.mesh<"shard" = 2>
#half = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<32xf32> at 0], align = 32>, parameters = ["w"], ranges = [#train.range<end = 32, rule = #train.sgd<momentum = 0.0, decay = 0.0>>] gather = bf16>
onnx.parameter @w : tensor<32xf32>
fsdp.unit @"(root)" root lines [#half]
func.func @step() -> tensor<32xf32> {
  %w = onnx.read @w : tensor<32xf32>
  train.backward_begin
  // expected-error @+1 {{reads parameter "w" as 'tensor<32xf32>', which is gathered as 'tensor<32xbf16>': run --train-mixed-precision before --train-build-backward}}
  %y = onnx.neg %w : tensor<32xf32> -> tensor<32xf32>
  return %y : tensor<32xf32>
}

// -----

// Tests that a parameter of no unit is refused.
onnx.parameter @"h.0.w" : tensor<4xf32>
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{reads a parameter of no unit: run --fsdp-assign-units}}
  %w = onnx.read @"h.0.w" : tensor<4xf32>
  train.backward_begin
  %y = onnx.add %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Tests that a step without a backward is refused.
// expected-error @+1 {{'step' has no backward: run --train-build-backward}}
func.func @step() {
  return
}
