// RUN: fsdp-opt %s --train-widen-gradients --split-input-file | FileCheck %s

// Tests that a product that ends in a cast to f32 is f32 at once, through views
// and sums; and that what was rounded only for the cast is not rounded.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: %[[A:.*]] = onnx.matmul %{{.*}} -> tensor<4x4xf32>
// CHECK-NEXT: %[[B:.*]] = train.gather_grad %{{.*}} -> tensor<4x4xf32>
// CHECK-NEXT: %[[SUM:.*]] = onnx.add %[[A]], %[[B]] : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
// CHECK-NEXT: train.gradient @a, %[[SUM]]
// CHECK-NEXT: %[[R:.*]] = onnx.reduce_sum %{{.*}} : tensor<4x4xbf16> -> tensor<4xf32>
// CHECK-NEXT: %[[V:.*]] = onnx.reshape %[[R]] : tensor<4xf32> -> tensor<2x2xf32>
// CHECK-NEXT: train.gradient @b, %[[V]]
// CHECK: train.gradient @c, %arg2
onnx.parameter @a : tensor<4x4xf32>
onnx.parameter @b : tensor<2x2xf32>
onnx.parameter @c : tensor<4xf32>
func.func @step(%x: tensor<4x4xbf16>, %i: tensor<4xi64>, %c: tensor<4xf32>) {
  %0 = onnx.matmul %x, %x {transA} : tensor<4x4xbf16>, tensor<4x4xbf16> -> tensor<4x4xbf16>
  %1 = train.gather_grad %i, %x : tensor<4xi64>, tensor<4x4xbf16> -> tensor<4x4xbf16>
  %2 = onnx.add %0, %1 : tensor<4x4xbf16>, tensor<4x4xbf16> -> tensor<4x4xbf16>
  %3 = onnx.cast %2 : tensor<4x4xbf16> -> tensor<4x4xf32>
  train.gradient @a, %3 : tensor<4x4xf32>
  %4 = onnx.reduce_sum %x [0] keepdims false : tensor<4x4xbf16> -> tensor<4xbf16>
  %5 = onnx.reshape %4 : tensor<4xbf16> -> tensor<2x2xbf16>
  %6 = onnx.cast %5 : tensor<2x2xbf16> -> tensor<2x2xf32>
  train.gradient @b, %6 : tensor<2x2xf32>
  %7 = onnx.cast %c : tensor<4xf32> -> tensor<4xbf16>
  %8 = onnx.cast %7 : tensor<4xbf16> -> tensor<4xf32>
  train.gradient @c, %8 : tensor<4xf32>
  return
}

// -----

// Tests that a value with another reader, and one that only bf16 makes, are
// left alone.
// CHECK-LABEL: func.func @step(
// CHECK: onnx.matmul %{{.*}} -> tensor<4x4xbf16>
// CHECK: onnx.cast
// CHECK: onnx.neg
// CHECK: onnx.cast
onnx.parameter @a : tensor<4x4xf32>
onnx.parameter @b : tensor<4x4xf32>
func.func @step(%x: tensor<4x4xbf16>) -> tensor<4x4xbf16> {
  %0 = onnx.matmul %x, %x : tensor<4x4xbf16>, tensor<4x4xbf16> -> tensor<4x4xbf16>
  %1 = onnx.cast %0 : tensor<4x4xbf16> -> tensor<4x4xf32>
  train.gradient @a, %1 : tensor<4x4xf32>
  %2 = onnx.neg %x : tensor<4x4xbf16> -> tensor<4x4xbf16>
  %3 = onnx.cast %2 : tensor<4x4xbf16> -> tensor<4x4xf32>
  train.gradient @b, %3 : tensor<4x4xf32>
  return %0 : tensor<4x4xbf16>
}

// -----

// Tests that what fills a gradient is widened before it does, with a cast where
// only bf16 makes it.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: %[[R:.*]] = onnx.reduce_sum %{{.*}} : tensor<4x4xbf16> -> tensor<4xf32>
// CHECK-NEXT: %[[P:.*]] = onnx.pad %[[R]] at [0] by [1] value {{.*}} : tensor<4xf32> -> tensor<8xf32>
// CHECK-NEXT: train.gradient @a, %[[P]]
// CHECK-NEXT: %[[N:.*]] = onnx.neg %{{.*}} : tensor<4x4xbf16> -> tensor<4x4xbf16>
// CHECK-NEXT: %[[C:.*]] = onnx.cast %[[N]] {scope = "table"} : tensor<4x4xbf16> -> tensor<4x4xf32>
// CHECK-NEXT: %[[Q:.*]] = onnx.pad %[[C]]
// CHECK-NEXT: train.gradient @b, %[[Q]]
onnx.parameter @a : tensor<8xf32>
onnx.parameter @b : tensor<8x4xf32>
func.func @step(%x: tensor<4x4xbf16>) -> tensor<4x4xbf16> {
  %0 = onnx.reduce_sum %x [0] keepdims false : tensor<4x4xbf16> -> tensor<4xbf16>
  %1 = onnx.pad %0 at [0] by [1] value 0.0 : tensor<4xbf16> -> tensor<8xbf16>
  %2 = onnx.cast %1 : tensor<8xbf16> -> tensor<8xf32>
  train.gradient @a, %2 : tensor<8xf32>
  %3 = onnx.neg %x : tensor<4x4xbf16> -> tensor<4x4xbf16>
  %4 = onnx.pad %3 at [0, 0] by [1, 1] value 0.0 {scope = "table"} : tensor<4x4xbf16> -> tensor<8x4xbf16>
  %5 = onnx.cast %4 : tensor<8x4xbf16> -> tensor<8x4xf32>
  train.gradient @b, %5 : tensor<8x4xf32>
  return %3 : tensor<4x4xbf16>
}

// -----

// Tests that a slice of a sum is widened with it.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: %[[R:.*]] = onnx.reduce_sum %{{.*}} : tensor<4x4xbf16> -> tensor<4xf32>
// CHECK-NEXT: %[[S:.*]] = onnx.slice %[[R]] {{.*}} : tensor<4xf32> -> tensor<2xf32>
// CHECK-NEXT: train.gradient @a, %[[S]]
onnx.parameter @a : tensor<2xf32>
func.func @step(%x: tensor<4x4xbf16>) {
  %0 = onnx.reduce_sum %x [0] keepdims false : tensor<4x4xbf16> -> tensor<4xbf16>
  %1 = onnx.slice %0 from [1] by [1] : tensor<4xbf16> -> tensor<2xbf16>
  %2 = onnx.cast %1 : tensor<2xbf16> -> tensor<2xf32>
  train.gradient @a, %2 : tensor<2xf32>
  return
}
