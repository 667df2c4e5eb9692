// RUN: fsdp-opt %s --kernel-fold-adds --split-input-file | FileCheck %s
// RUN: fsdp-opt %s --kernel-fold-adds --kernel-form-groups --split-input-file | FileCheck %s --check-prefix=KERNEL
// RUN: fsdp-opt %s --kernel-fold-adds=library-bf16=false --split-input-file | FileCheck %s --check-prefix=GENERATED

// Tests that a bias and a residual become part of the product, whichever
// operand of the additions it is; and that no kernel is left.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: %[[Y:.*]] = train.linear %arg0, %arg1 bias %arg2 residual %arg3 {scope = "mlp", transB} : (tensor<2x3x4xbf16>, tensor<5x4xbf16>, tensor<5xbf16>, tensor<2x3x5xbf16>) -> tensor<2x3x5xbf16>
// CHECK-NEXT: return %[[Y]]
// KERNEL-LABEL: func.func @step(
// KERNEL-NOT: train.kernel
// KERNEL: return
func.func @step(%x: tensor<2x3x4xbf16>, %w: tensor<5x4xbf16>, %b: tensor<5xbf16>, %r: tensor<2x3x5xbf16>) -> tensor<2x3x5xbf16> {
  %0 = onnx.matmul %x, %w {transB, scope = "mlp"} : tensor<2x3x4xbf16>, tensor<5x4xbf16> -> tensor<2x3x5xbf16>
  %1 = onnx.add %b, %0 : tensor<5xbf16>, tensor<2x3x5xbf16> -> tensor<2x3x5xbf16>
  %2 = onnx.add %r, %1 : tensor<2x3x5xbf16>, tensor<2x3x5xbf16> -> tensor<2x3x5xbf16>
  return %2 : tensor<2x3x5xbf16>
}

// -----

// Tests that a residual sum that a norm reads stays, for the norm's kernel.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: %[[Y:.*]] = train.linear %{{.*}} bias %{{.*}} :
// CHECK-NEXT: %[[SUM:.*]] = onnx.add %[[Y]], %
// CHECK-NEXT: onnx.layer_normalization %[[SUM]]
func.func @step(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>, %b: tensor<4xf32>, %r: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = onnx.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %1 = onnx.add %0, %b : tensor<2x4xf32>, tensor<4xf32> -> tensor<2x4xf32>
  %2 = onnx.add %1, %r : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %y, %mean, %rstd = onnx.layer_normalization %2, %b epsilon 1.000000e-05 : (tensor<2x4xf32>, tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32>)
  return %2, %y : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// Tests what is left alone: a product with another reader, one behind a
// release, a wider bias, a broadcast product, a type the library has not.
// CHECK-LABEL: func.func @step(
// CHECK-NOT: train.linear
func.func @step(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>, %b: tensor<4xf32>, %r: tensor<3x2x4xf32>, %h: tensor<2x4xbf16>, %v: tensor<4x4xbf16>, %d: tensor<2x4xf64>, %e: tensor<4x4xf64>, %f: tensor<4xf64>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<3x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf64>) {
  %0 = onnx.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %1 = onnx.add %0, %b : tensor<2x4xf32>, tensor<4xf32> -> tensor<2x4xf32>
  %2 = onnx.matmul %x, %w {transB} : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  train.backward_begin
  %3 = onnx.add %2, %b : tensor<2x4xf32>, tensor<4xf32> -> tensor<2x4xf32>
  %4 = onnx.matmul %1, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %5 = onnx.add %4, %r : tensor<2x4xf32>, tensor<3x2x4xf32> -> tensor<3x2x4xf32>
  %6 = onnx.matmul %h, %v : tensor<2x4xbf16>, tensor<4x4xbf16> -> tensor<2x4xf32>
  %7 = onnx.add %6, %b : tensor<2x4xf32>, tensor<4xf32> -> tensor<2x4xf32>
  %8 = onnx.matmul %d, %e : tensor<2x4xf64>, tensor<4x4xf64> -> tensor<2x4xf64>
  %9 = onnx.add %8, %f : tensor<2x4xf64>, tensor<4xf64> -> tensor<2x4xf64>
  return %0, %1, %3, %5, %7, %9 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<3x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf64>
}

// -----

// Tests that a bias stays beside a product of bf16 where the library has none.
// CHECK-LABEL: func.func @bf16(
// CHECK: train.linear
// GENERATED-LABEL: func.func @bf16(
// GENERATED-NOT: train.linear
// GENERATED: return
func.func @bf16(%x: tensor<2x4xbf16>, %w: tensor<4x4xbf16>, %b: tensor<4xbf16>) -> tensor<2x4xbf16> {
  %0 = onnx.matmul %x, %w : tensor<2x4xbf16>, tensor<4x4xbf16> -> tensor<2x4xbf16>
  %1 = onnx.add %0, %b : tensor<2x4xbf16>, tensor<4xbf16> -> tensor<2x4xbf16>
  return %1 : tensor<2x4xbf16>
}
