// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-ptx=chip=sm_90 -o /dev/null | FileCheck %s --implicit-check-not=.extern --implicit-check-not=.local

// Tests that what is left of attention between products is a row a block, whose
// maximum and sum are joined by shuffles, without scratch.
// CHECK:     // k0 "attention_rows": 512 blocks of 256 threads, 0 bytes of scratch each
// CHECK:     shfl.sync.bfly.b32
// CHECK:     // k1 "attention_rows_grad": 512 blocks of 256 threads, 0 bytes of scratch each
// CHECK:     shfl.sync.bfly.b32
// CHECK:     // k2 "attention_rows": 512 blocks of 128 threads, 0 bytes of scratch each
// CHECK:     // k3 "attention_rows_grad": 512 blocks of 128 threads, 0 bytes of scratch each
// CHECK:     // k4 "attention_divide": 512 blocks of 32 threads, 0 bytes of scratch each
// CHECK-NOT: shfl
func.func @causal(%s: tensor<1x2x256x512xf32>, %d: tensor<1x2x256x512xf32>) -> (tensor<1x2x256x512xbf16>, tensor<1x2x256x512xbf16>, tensor<1x2x256x512xbf16>) {
  %p, %m, %t = train.attention_rows %s first 256 of 512 x 512 scale 0.125 {causal} : (tensor<1x2x256x512xf32>) -> (tensor<1x2x256x512xbf16>, tensor<1x2x256xf32>, tensor<1x2x256xf32>)
  %q, %e = train.attention_rows_grad %s saved %m, %t grad %d first 256 of 512 x 512 scale 0.125 {causal} : (tensor<1x2x256x512xf32>, tensor<1x2x256xf32>, tensor<1x2x256xf32>, tensor<1x2x256x512xf32>) -> (tensor<1x2x256x512xbf16>, tensor<1x2x256x512xbf16>)
  return %p, %q, %e : tensor<1x2x256x512xbf16>, tensor<1x2x256x512xbf16>, tensor<1x2x256x512xbf16>
}
func.func @masked(%s: tensor<1x2x256x512xf32>, %d: tensor<1x2x256x512xf32>, %a: tensor<512x512xf32>) -> (tensor<1x2x256x512xf32>, tensor<1x2x256x512xf32>, tensor<1x2x256x512xf32>) {
  %p, %m, %t = train.attention_rows %s mask %a first 0 of 512 x 512 scale 0.125 : (tensor<1x2x256x512xf32>, tensor<512x512xf32>) -> (tensor<1x2x256x512xf32>, tensor<1x2x256xf32>, tensor<1x2x256xf32>)
  %q, %e = train.attention_rows_grad %s saved %m, %t grad %d mask %a first 0 of 512 x 512 scale 0.125 : (tensor<1x2x256x512xf32>, tensor<1x2x256xf32>, tensor<1x2x256xf32>, tensor<1x2x256x512xf32>, tensor<512x512xf32>) -> (tensor<1x2x256x512xf32>, tensor<1x2x256x512xf32>)
  return %p, %q, %e : tensor<1x2x256x512xf32>, tensor<1x2x256x512xf32>, tensor<1x2x256x512xf32>
}
func.func @divide(%x: tensor<1x2x256x64xf32>, %t: tensor<1x2x256xf32>) -> tensor<1x2x256x64xbf16> {
  %y = train.attention_divide %x by %t blocks 96 : (tensor<1x2x256x64xf32>, tensor<1x2x256xf32>) -> tensor<1x2x256x64xbf16>
  return %y : tensor<1x2x256x64xbf16>
}
