// Tests that a thread takes neighbours which fill 16 bytes, and elements one by
// one where rows do not begin at multiples of that.
// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-ptx=chip=sm_90 -o /dev/null | FileCheck %s

// CHECK: // k0 "add"
// CHECK: ld.global.v4.f32
// CHECK: st.global.v4.f32
// CHECK: // k1 "mul"
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK: // k2 "softmax": 40 blocks of 256 threads
// CHECK-COUNT-3: ld.global.v4.f32
// CHECK: // k3 "softmax"
// CHECK-NOT: global.v
// CHECK: ld.global.f32
// CHECK-NOT: global.v
func.func @f(%x: tensor<40x1000xf32>, %h: tensor<64x512xbf16>, %odd: tensor<40x1001xf32>)
    -> (tensor<40x1000xf32>, tensor<64x512xbf16>, tensor<40x1000xf32>, tensor<40x1001xf32>) {
  %s = onnx.add %x, %x : tensor<40x1000xf32>, tensor<40x1000xf32> -> tensor<40x1000xf32>
  %t = onnx.mul %h, %h : tensor<64x512xbf16>, tensor<64x512xbf16> -> tensor<64x512xbf16>
  %p = onnx.softmax %x : tensor<40x1000xf32> -> tensor<40x1000xf32>
  %o = onnx.softmax %odd : tensor<40x1001xf32> -> tensor<40x1001xf32>
  return %s, %t, %p, %o : tensor<40x1000xf32>, tensor<64x512xbf16>, tensor<40x1000xf32>, tensor<40x1001xf32>
}
