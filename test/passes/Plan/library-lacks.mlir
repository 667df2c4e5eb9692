// RUN: env ONEDNN_MAX_CPU_ISA=AVX2 fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --verify-diagnostics
// RUN: env ONEDNN_MAX_CPU_ISA=AVX2 fsdp-opt %s --kernel-form-groups=library-bf16=false --convert-fsdp-to-fsdprt | FileCheck %s

// Tests that a product that the host's library lacks is refused, and that it is
// a launch where it was put into a kernel.
// CHECK: fsdprt.launch "matmul"
func.func @init() {
  return
}
func.func @step(%x: tensor<4x4xi64> {train.role = "tokens"}) -> (tensor<bf16> {train.role = "loss"}) {
  %h = onnx.cast %x : tensor<4x4xi64> -> tensor<4x4xbf16>
  // expected-error@+1 {{'onnx.matmul' op is a product in 'bf16' that oneDNN does not have on this CPU; compile on one that has it (bf16: AVX-512), or give --kernel-fold-adds and --kernel-form-groups library-bf16=false}}
  %y = onnx.matmul %h, %h : tensor<4x4xbf16>, tensor<4x4xbf16> -> tensor<4x4xbf16>
  %l = onnx.reduce_sum %y [0, 1] keepdims false : tensor<4x4xbf16> -> tensor<bf16>
  return %l : tensor<bf16>
}
func.func @export() {
  return
}
