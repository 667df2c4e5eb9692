// RUN: fsdp-opt %s --split-input-file --kernel-form-groups --kernel-split-reductions=least=64 | FileCheck %s

// Tests that a whole sum is cut into parts, which another kernel adds, and that
// the ops before it stay in the first.
// CHECK-LABEL: func @whole
// CHECK:         %[[P:.*]] = train.kernel "mul_reduce_sum_parts"(%{{.*}}, %{{.*}}) : (tensor<4x1024xbf16>, tensor<4x1024xbf16>) -> tensor<64xf64>
// CHECK:           onnx.mul
// CHECK:           train.reduce_parts %{{.*}} [0, 1] size 64 : tensor<4x1024xbf16> -> tensor<64xf64>
// CHECK:         %[[Y:.*]] = train.kernel "sum_of_parts"(%[[P]]) : (tensor<64xf64>) -> tensor<bf16>
// CHECK:           train.reduce_parts %{{.*}} [0] size 64 : tensor<64xf64> -> tensor<bf16>
// CHECK-NOT:     onnx.reduce_sum
// CHECK:         return %[[Y]]
func.func @whole(%x: tensor<4x1024xbf16>, %w: tensor<4x1024xbf16>) -> tensor<bf16> {
  %p = train.kernel "mul_reduce_sum"(%x, %w) : (tensor<4x1024xbf16>, tensor<4x1024xbf16>) -> tensor<bf16> {
  ^bb0(%a: tensor<4x1024xbf16>, %b: tensor<4x1024xbf16>):
    %m = onnx.mul %a, %b : tensor<4x1024xbf16>, tensor<4x1024xbf16> -> tensor<4x1024xbf16>
    %s = onnx.reduce_sum %m [0, 1] keepdims false : tensor<4x1024xbf16> -> tensor<bf16>
    train.yield %s : tensor<bf16>
  }
  return %p : tensor<bf16>
}

// -----

// Tests that a sum over rows is cut into groups of rows, that a mean divides
// once, in the end, and that extents of 1 are kept.
// CHECK-LABEL: func @rows
// CHECK:         train.reduce_parts %{{.*}} [0, 1] size 16 : tensor<8x128x300xf32> -> tensor<64x1x1x300xf64>
// CHECK:         train.reduce_parts %{{.*}} [0] size 64 {divisor = 1024 : i64} : tensor<64x1x1x300xf64> -> tensor<1x1x300xf32>
func.func @rows(%x: tensor<8x128x300xf32>) -> tensor<1x1x300xf32> {
  %y = onnx.reduce_mean %x [0, 1] keepdims true : tensor<8x128x300xf32> -> tensor<1x1x300xf32>
  return %y : tensor<1x1x300xf32>
}

// -----

// Tests that parts of a maximum are of the operand's type, and no wider.
// CHECK-LABEL: func @most
// CHECK:         train.kernel "reduce_max_parts"
// CHECK:           train.reduce_parts %{{.*}} [1] size 64 {max} : tensor<3x1024xf32> -> tensor<16x3xf32>
// CHECK:         train.kernel "max_of_parts"
// CHECK:           train.reduce_parts %{{.*}} [0] size 16 {max} : tensor<16x3xf32> -> tensor<3xf32>
func.func @most(%x: tensor<3x1024xf32>) -> tensor<3xf32> {
  %y = onnx.reduce_max %x [1] keepdims false : tensor<3x1024xf32> -> tensor<3xf32>
  return %y : tensor<3xf32>
}

// -----

// Tests that labels are counted in parts.
// CHECK-LABEL: func @labels
// CHECK:         train.kernel "count_valid_parts"
// CHECK:           train.count_valid %{{.*}} ignore -100 : tensor<2x512xi64> -> tensor<16xf32>
// CHECK:         train.kernel "sum_of_parts"
// CHECK:           train.reduce_parts %{{.*}} [0] size 16 : tensor<16xf32> -> tensor<f32>
func.func @labels(%x: tensor<2x512xi64>) -> tensor<f32> {
  %y = train.count_valid %x ignore -100 : tensor<2x512xi64> -> tensor<f32>
  return %y : tensor<f32>
}

// -----

// Tests what is left alone: enough results, too few elements, dimensions that
// are no neighbours.
// CHECK-LABEL: func @alone
// CHECK-NOT:     reduce_parts
// CHECK:         onnx.reduce_sum
// CHECK-NOT:     reduce_parts
// CHECK:         onnx.reduce_sum
// CHECK-NOT:     reduce_parts
// CHECK:         onnx.reduce_sum
// CHECK-NOT:     reduce_parts
// CHECK:         return
func.func @alone(%x: tensor<256x1000xf32>, %y: tensor<255xf32>, %z: tensor<64x3x64xf32>) -> (tensor<256xf32>, tensor<f32>, tensor<3xf32>) {
  %a = onnx.reduce_sum %x [1] keepdims false : tensor<256x1000xf32> -> tensor<256xf32>
  %b = onnx.reduce_sum %y [0] keepdims false : tensor<255xf32> -> tensor<f32>
  %c = onnx.reduce_sum %z [0, 2] keepdims false : tensor<64x3x64xf32> -> tensor<3xf32>
  return %a, %b, %c : tensor<256xf32>, tensor<f32>, tensor<3xf32>
}
