// RUN: fsdp-opt %s --train-form-norms --train-mixed-precision=param-dtype=bfloat16 --canonicalize | FileCheck %s
// RUN: fsdp-opt %s --train-form-norms --train-mixed-precision=param-dtype=bfloat16 --canonicalize --train-build-backward --canonicalize --train-widen-gradients | FileCheck %s --check-prefix=GRAD

// Tests that an RMS normalisation is stated in bf16 as a whole, its statistic in
// f32, with no cast between its parts; and that the gradient of its scale is
// never rounded on its way from the f32 parts to f32.
// CHECK-LABEL: func.func @step(
// CHECK: onnx.rms_normalization %{{.*}}, %{{.*}} epsilon 9.99{{.*}} : (tensor<2x3x4xbf16>, tensor<4xbf16>) -> (tensor<2x3x4xbf16>, tensor<2x3xf32>)
// CHECK-NEXT: onnx.read @head
// GRAD: %{{.*}}, %[[PARTS:.*]] = train.rms_norm_grad {{.*}} : tensor<2x3x4xbf16>, tensor<4xbf16>, tensor<2x3xf32> parts tensor<1x4xf32>
// GRAD: %[[SUM:.*]] = onnx.reduce_sum %[[PARTS]] [0] keepdims false : tensor<1x4xf32> -> tensor<4xf32>
// GRAD: train.gradient @norm, %[[SUM]] : tensor<4xf32>
onnx.parameter @wte : tensor<16x4xf32>
onnx.parameter @norm : tensor<4xf32>
onnx.parameter @head : tensor<4x16xf32>
func.func @step(%ids: tensor<2x3xi64>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  %wte = onnx.read @wte : tensor<16x4xf32>
  %x = onnx.gather %wte, %ids : tensor<16x4xf32>, tensor<2x3xi64> -> tensor<2x3x4xf32>
  %eps = onnx.constant dense<9.99999997E-7> : tensor<f32> : tensor<f32>
  %s = onnx.mul %x, %x : tensor<2x3x4xf32>, tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %m = onnx.reduce_mean %s [2] keepdims true : tensor<2x3x4xf32> -> tensor<2x3x1xf32>
  %e = onnx.add %m, %eps : tensor<2x3x1xf32>, tensor<f32> -> tensor<2x3x1xf32>
  %q = onnx.sqrt %e : tensor<2x3x1xf32> -> tensor<2x3x1xf32>
  %r = onnx.reciprocal %q : tensor<2x3x1xf32> -> tensor<2x3x1xf32>
  %h = onnx.mul %x, %r : tensor<2x3x4xf32>, tensor<2x3x1xf32> -> tensor<2x3x4xf32>
  %w = onnx.read @norm : tensor<4xf32>
  %y = onnx.mul %w, %h : tensor<4xf32>, tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %head = onnx.read @head : tensor<4x16xf32>
  %logits = onnx.matmul %y, %head : tensor<2x3x4xf32>, tensor<4x16xf32> -> tensor<2x3x16xf32>
  %loss = onnx.softmax_cross_entropy_loss %logits, %labels ignore -100 : tensor<2x3x16xf32>, tensor<2x3xi64> -> tensor<f32>
  return %loss : tensor<f32>
}
