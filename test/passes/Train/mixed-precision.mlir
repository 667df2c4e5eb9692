// RUN: fsdp-opt %s --train-mixed-precision='param-dtype=bfloat16 output-dtype=float32' --split-input-file --verify-diagnostics | FileCheck %s

// Tests that parameters are cast where they are read, that products, look-ups,
// norms and sums of narrow values are stated on them, with statistics in f32,
// that other elementwise ops work between casts, and that the loss reads f32.
// CHECK-LABEL: func.func @step(
// CHECK: %[[TABLE:.*]] = onnx.read @table
// CHECK-NEXT: %[[T:.*]] = onnx.cast %[[TABLE]] : tensor<8x4xf32> -> tensor<8x4xbf16>
// CHECK: %[[W:.*]] = onnx.cast %{{.*}} : tensor<4xf32> -> tensor<4xbf16>
// CHECK: %[[X:.*]] = onnx.gather %[[T]], %{{.*}} -> tensor<2x4xbf16>
// CHECK: onnx.layer_normalization %[[X]], %[[W]] {{.*}} -> (tensor<2x4xbf16>, tensor<2xf32>, tensor<2xf32>)
// CHECK: %[[S:.*]] = onnx.add {{.*}} : tensor<2x4xbf16>, tensor<2x4xbf16> -> tensor<2x4xbf16>
// CHECK-NEXT: %[[SW:.*]] = onnx.cast %[[S]] {{.*}}: tensor<2x4xbf16> -> tensor<2x4xf32>
// CHECK-NEXT: %[[G:.*]] = onnx.gelu %[[SW]] {{.*}}: tensor<2x4xf32>
// CHECK-NEXT: %[[GN:.*]] = onnx.cast %[[G]] {{.*}}: tensor<2x4xf32> -> tensor<2x4xbf16>
// CHECK-NEXT: %[[L:.*]] = onnx.matmul %[[GN]], %[[T]] {{.*}} -> tensor<2x8xbf16>
// CHECK-NEXT: %[[WIDE:.*]] = onnx.cast %[[L]] : tensor<2x8xbf16> -> tensor<2x8xf32>
// CHECK-NEXT: onnx.softmax_cross_entropy_loss %[[WIDE]]
onnx.parameter @table : tensor<8x4xf32>
onnx.parameter @w : tensor<4xf32>
func.func @step(%ids: tensor<2xi64>, %labels: tensor<2xi64>) -> tensor<f32> {
  %table = onnx.read @table : tensor<8x4xf32>
  %w = onnx.read @w : tensor<4xf32>
  %x = onnx.gather %table, %ids : tensor<8x4xf32>, tensor<2xi64> -> tensor<2x4xf32>
  %n, %mean, %rstd = onnx.layer_normalization %x, %w epsilon 1.000000e-05 : (tensor<2x4xf32>, tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32>)
  %s = onnx.add %n, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %g = onnx.gelu %s : tensor<2x4xf32> -> tensor<2x4xf32>
  %l = onnx.matmul %g, %table {transB} : tensor<2x4xf32>, tensor<8x4xf32> -> tensor<2x8xf32>
  %loss = onnx.softmax_cross_entropy_loss %l, %labels ignore -100 : tensor<2x8xf32>, tensor<2xi64> -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Tests that a mean over narrow values is f32, stays so, and reads what feeds
// it alone unrounded; and that a number beyond bf16 is clamped, not infinite.
// CHECK-LABEL: func.func @step(
// CHECK: %[[SQUARE:.*]] = onnx.mul %{{.*}} : tensor<2x4xbf16>, tensor<2x4xbf16> -> tensor<2x4xbf16>
// CHECK: %[[POW:.*]] = onnx.pow %{{.*}} -> tensor<2x4xf32>
// CHECK-NEXT: %[[MEAN:.*]] = onnx.reduce_mean %[[POW]] {{.*}} -> tensor<2x1xf32>
// CHECK-NEXT: onnx.reciprocal %[[MEAN]] {{.*}}: tensor<2x1xf32>
// CHECK: onnx.reduce_sum %[[SQUARE]] {{.*}} : tensor<2x4xbf16> -> tensor<2x1xf32>
// CHECK: %[[LOW:.*]] = onnx.constant dense<-3.38953139E+38> : tensor<f32>
// CHECK: onnx.where %{{.*}}, %{{.*}}, %[[LOW]] {{.*}}tensor<2x4xf32>
onnx.parameter @p : tensor<2x4xf32>
func.func @step(%c: tensor<2x4xi1>) -> (tensor<2x4xf32>, tensor<2x1xf32>) {
  %p = onnx.read @p : tensor<2x4xf32>
  %square = onnx.mul %p, %p : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %two = onnx.constant dense<2.0> : tensor<f32> : tensor<f32>
  %pow = onnx.pow %p, %two : tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  %mean = onnx.reduce_mean %pow [1] keepdims true : tensor<2x4xf32> -> tensor<2x1xf32>
  %r = onnx.reciprocal %mean : tensor<2x1xf32> -> tensor<2x1xf32>
  %n = onnx.mul %p, %r : tensor<2x4xf32>, tensor<2x1xf32> -> tensor<2x4xf32>
  %sum = onnx.reduce_sum %square [1] keepdims true : tensor<2x4xf32> -> tensor<2x1xf32>
  %low = onnx.constant dense<-3.40282347E+38> : tensor<f32> : tensor<f32>
  %y = onnx.where %c, %n, %low : tensor<2x4xi1>, tensor<2x4xf32>, tensor<f32> -> tensor<2x4xf32>
  return %y, %sum : tensor<2x4xf32>, tensor<2x1xf32>
}

// -----

// Tests that what depends on no parameter is f32 until it enters a unit, where
// it is cast, and that buffers and constants are not cast.
// CHECK-LABEL: func.func @step(
// CHECK: %[[COS:.*]] = onnx.cos %{{.*}} : tensor<2x4xf32>
// CHECK-NEXT: %[[IN:.*]] = onnx.cast %[[COS]] {{.*}} -> tensor<2x4xbf16>
// CHECK: onnx.read @buffer
// CHECK-NOT: onnx.cast
// CHECK: onnx.mul %{{.*}}, %[[IN]] {{.*}} -> tensor<2x4xbf16>
onnx.parameter @buffer : tensor<2x4xf32> {buffer}
onnx.parameter @"h.0.w" : tensor<2x4xf32>
func.func @step(%angle: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = onnx.read @"h.0.w" {scope = "h.0"} : tensor<2x4xf32>
  %cos = onnx.cos %angle {scope = "rope"} : tensor<2x4xf32> -> tensor<2x4xf32>
  %b = onnx.read @buffer : tensor<2x4xf32>
  %x = onnx.mul %w, %cos {scope = "h.0"} : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %y = onnx.sub %x, %b {scope = "h.0"} : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Tests that probabilities of which the largest are chosen stay f32, as do the
// chosen ones: in bf16 many would be equal.
// CHECK-LABEL: func.func @step(
// CHECK: %[[LOGITS:.*]] = onnx.matmul {{.*}} -> tensor<2x8xbf16>
// CHECK-NEXT: %[[WIDE:.*]] = onnx.cast %[[LOGITS]] : tensor<2x8xbf16> -> tensor<2x8xf32>
// CHECK-NEXT: %[[P:.*]] = onnx.softmax %[[WIDE]] {{.*}}tensor<2x8xf32>
// CHECK-NEXT: onnx.top_k %[[P]] k 2 : tensor<2x8xf32> -> tensor<2x2xf32>, tensor<2x2xi64>
onnx.parameter @w : tensor<4x8xf32>
func.func @step(%x: tensor<2x4xf32>) -> tensor<2x2xf32> {
  %w = onnx.read @w : tensor<4x8xf32>
  %logits = onnx.matmul %x, %w : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
  %p = onnx.softmax %logits : tensor<2x8xf32> -> tensor<2x8xf32>
  %values, %places = onnx.top_k %p k 2 : tensor<2x8xf32> -> tensor<2x2xf32>, tensor<2x2xi64>
  return %values : tensor<2x2xf32>
}

// -----

// Tests that a step with a backward is refused.
// expected-error @+1 {{'step' has a backward already: run --train-mixed-precision before --train-build-backward}}
func.func @step() {
  train.backward_begin
  return
}
