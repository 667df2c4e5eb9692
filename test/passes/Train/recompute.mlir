// RUN: fsdp-opt %s --train-recompute="rules=h.*" --train-verify --canonicalize --cse --canonicalize --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,WHOLE
// RUN: fsdp-opt %s --train-recompute="rules=h.*=elementwise" --train-verify --canonicalize --cse --canonicalize --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,CHEAP

// Tests that what gradients of a module read is computed again behind one
// barrier, each value before the first op that reads it: all of it, or all but
// the product. What another module's gradient reads stays.
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<4x4xf32>
// CHECK: %[[W:.*]] = onnx.read @h.0.w
// CHECK: %[[A:.*]] = onnx.matmul %[[X]], %[[W]]
// CHECK: onnx.tanh %[[A]]
// CHECK: %[[Y:.*]] = onnx.matmul
// CHECK: train.backward_begin
// CHECK-NEXT: onnx.mul %[[Y]], %[[Y]]
// WHOLE-NEXT: %[[B:.*]] = train.barrier %[[X]] {scope = "h.0"}
// WHOLE-NEXT: %[[A1:.*]] = onnx.matmul %[[B]], %[[W]] {scope = "h.0", train.recomputed}
// WHOLE-NEXT: %[[T:.*]] = onnx.tanh %[[A1]] {scope = "h.0", train.recomputed}
// CHEAP-NEXT: %[[B:.*]] = train.barrier %[[A]] {scope = "h.0"}
// CHEAP-NEXT: %[[T:.*]] = onnx.tanh %[[B]] {scope = "h.0", train.recomputed}
// CHECK-NEXT: onnx.matmul %[[T]], %{{.*}} {scope = "h.0", transA}
// WHOLE-NEXT: onnx.sub %[[A1]]
// CHEAP-NEXT: onnx.sub %[[A]]
// CHECK-NEXT: return
onnx.parameter @"h.0.w" : tensor<4x4xf32>
func.func @step(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %w = onnx.read @"h.0.w" {scope = "h.0"} : tensor<4x4xf32>
  %a = onnx.matmul %x, %w {scope = "h.0"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %t = onnx.tanh %a {scope = "h.0"} : tensor<4x4xf32> -> tensor<4x4xf32>
  %y = onnx.matmul %t, %w {scope = "h.0"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %dy = onnx.mul %y, %y {scope = "head"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %dw = onnx.matmul %t, %dy {scope = "h.0", transA} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %da = onnx.sub %a, %dy {scope = "h.0"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %dw, %da : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

// Tests that attention is computed again with its saved statistics, as part of
// a whole module only.
// CHECK-LABEL: func.func @step(
// CHECK: %[[Y:.*]], %[[MAX:.*]], %[[SUM:.*]] = onnx.attention
// CHECK: train.backward_begin
// WHOLE: %[[Q:.*]] = train.barrier
// WHOLE: %{{.*}}, %[[MAX1:.*]], %[[SUM1:.*]] = onnx.attention %[[Q]], %[[Q]], %[[Q]] {{.*}}train.recomputed
// WHOLE: train.attention_grad %{{.*}} saved %[[MAX1]], %[[SUM1]]
// CHEAP-NOT: train.recomputed
// CHEAP: train.attention_grad %{{.*}} saved %[[MAX]], %[[SUM]]
func.func @step(%q: tensor<1x1x4x4xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) {
  %y, %max, %sum = onnx.attention %q, %q, %q scale 1.0 {causal, scope = "h.0"} : (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  train.backward_begin
  %dq, %dk, %dv = train.attention_grad %q, %q, %q saved %max, %sum grad %q scale 1.0 {causal, scope = "h.0"} : (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4x4xf32>) -> (tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>)
  return %dq, %y : tensor<1x1x4x4xf32>, tensor<1x1x4x4xf32>
}

// -----

// Tests that a value is computed again only where less is kept then: %e from
// %x, which is there anyway; not %n from the larger product %m; and %s not at
// all, since a later module that is computed again reads it.
// CHECK-LABEL: func.func @step(
// CHECK: %[[M:.*]] = onnx.matmul
// CHEAP: %[[N:.*]] = onnx.reduce_sum %[[M]]
// CHECK: %[[S:.*]] = onnx.sqrt
// CHECK: train.backward_begin
// WHOLE: train.barrier %{{.*}}, %[[S]] {scope = "h.1"}
// CHECK: train.barrier %{{.*}} {scope = "h.0"}
// CHECK: onnx.exp %{{.*}} {scope = "h.0", train.recomputed}
// CHEAP-NOT: onnx.reduce_sum {{.*}}train.recomputed
// CHEAP: onnx.neg %[[N]]
// WHOLE: %[[N1:.*]] = onnx.reduce_sum {{.*}}train.recomputed
// WHOLE: onnx.neg %[[N1]]
// CHECK: onnx.neg %[[S]]
func.func @step(%arg: tensor<4x4xf32>, %other: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xf32>, tensor<4x4xf32>) {
  %x = onnx.neg %arg : tensor<4x4xf32> -> tensor<4x4xf32>
  %e = onnx.exp %x {scope = "h.0"} : tensor<4x4xf32> -> tensor<4x4xf32>
  %m = onnx.matmul %e, %other {scope = "h.0"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %n = onnx.reduce_sum %m [1] keepdims false {scope = "h.0"} : tensor<4x4xf32> -> tensor<4xf32>
  %s = onnx.sqrt %m {scope = "h.0"} : tensor<4x4xf32> -> tensor<4x4xf32>
  %p = onnx.matmul %other, %s {scope = "h.1"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %dp = onnx.matmul %p, %s {scope = "h.1"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %de = onnx.matmul %x, %e {scope = "h.0"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %dn = onnx.neg %n {scope = "h.0"} : tensor<4xf32> -> tensor<4xf32>
  %ds = onnx.neg %s {scope = "h.0"} : tensor<4x4xf32> -> tensor<4x4xf32>
  return %dp, %de, %dn, %ds : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xf32>, tensor<4x4xf32>
}

// -----

// Tests that a module without gradients, as a frozen one's, and what is
// computed from parameters alone are left as they are.
// CHECK-LABEL: func.func @step(
// CHECK-NOT: train.barrier
// CHECK-NOT: train.recomputed
// CHECK: return
onnx.parameter @"h.0.w" : tensor<4x4xf32>
func.func @step(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %w = onnx.read @"h.0.w" {scope = "h.0"} : tensor<4x4xf32>
  %e = onnx.exp %w {scope = "h.0"} : tensor<4x4xf32> -> tensor<4x4xf32>
  %y = onnx.matmul %x, %e {scope = "h.1"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  train.backward_begin
  %d = onnx.mul %e, %y {scope = "h.0"} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %d : tensor<4x4xf32>
}

// -----

// Tests that a pattern without a module is refused, with the nearest names.
// expected-error @+1 {{--recompute 'h.*}}
module {
  func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
    %y = onnx.exp %x {scope = "l.0"} : tensor<4xf32> -> tensor<4xf32>
    train.backward_begin
    return %y : tensor<4xf32>
  }
}

// -----

// Tests that a step without backward is refused, with the pass that adds it.
// expected-error @+1 {{'step' has no backward: run --train-build-backward}}
func.func @step(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = onnx.exp %x {scope = "h.0"} : tensor<4xf32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}
