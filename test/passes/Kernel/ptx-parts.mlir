// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-ptx -o %t.mlir | FileCheck %s

// Tests that blocks of a line are read 16 bytes at once, and that what adds the
// rows of an embedding's gradient has eight of them on their way.
// CHECK-LABEL: // k0 "sum_of_squares": 433 blocks of 256 threads
// CHECK: ld.global.v4.f32
// CHECK-LABEL: // k1 "count_valid":
// CHECK: ld.global.v2.u64
// CHECK-LABEL: // k2 "reduce_parts": 768 blocks
// CHECK-LABEL: // k3 "order_indices": 1024 blocks
// CHECK-LABEL: // k4 "gather_grad_ordered": 50257 blocks
// CHECK-COUNT-8: ld.global.v4.u16
func.func @f(%g: tensor<7087872xf32>, %l: tensor<8x8192xi64>, %dy: tensor<8192x768xbf16>, %i: tensor<8192xi64>) -> (tensor<433xf64>, tensor<8xf32>, tensor<256x768xf64>, tensor<50257x768xbf16>) {
  %s = train.sum_of_squares %g {block = 16384 : i64} : tensor<7087872xf32> -> tensor<433xf64>
  %n = train.count_valid %l ignore -100 : tensor<8x8192xi64> -> tensor<8xf32>
  %p = train.reduce_parts %dy [0] size 32 : tensor<8192x768xbf16> -> tensor<256x768xf64>
  %o, %sorted = train.order_indices %i rows 50257 : (tensor<8192xi64>) -> (tensor<8192xi32>, tensor<8192xi32>)
  %d = train.gather_grad_ordered %o, %sorted, %dy : (tensor<8192xi32>, tensor<8192xi32>, tensor<8192x768xbf16>) -> tensor<50257x768xbf16>
  return %s, %n, %p, %d : tensor<433xf64>, tensor<8xf32>, tensor<256x768xf64>, tensor<50257x768xbf16>
}
