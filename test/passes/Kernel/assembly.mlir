// Tests that each kind of kernel is vectorised for each level of x86-64, by 256
// bits without AVX-512 and by 512 with it, and that no kernel calls anything but
// the library's product of tiles.
// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-assembly=cpu=x86-64-v3 -o /dev/null | FileCheck %s --check-prefixes=ALL,AVX2 --implicit-check-not=callq --implicit-check-not=%zmm
// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-assembly=cpu=skylake-avx512 -o /dev/null | FileCheck %s --check-prefixes=ALL,AVX512 --implicit-check-not=callq
// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-assembly=cpu=sapphirerapids -o /dev/null | FileCheck %s --check-prefixes=ALL,AVX512 --implicit-check-not=callq
// RUN: not fsdp-opt %s --kernel-form-groups --kernel-to-assembly=cpu=nonsense 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: unknown target CPU 'nonsense'

// ALL: # k0 "add_layer_normalization"
// AVX2: %ymm
// AVX512: %zmm
// ALL: # k1 "softmax"
// AVX2: %ymm
// AVX512: %zmm
// ALL: # k2 "attention"
// ALL: callq fsdprt_tile_gemm@PLT
// AVX2: %ymm
// AVX512: %zmm
// ALL: callq fsdprt_tile_gemm@PLT
// ALL: # k3 "cross_entropy"
// AVX2: vfmadd{{.*}}%ymm
// AVX512: vfmadd{{.*}}%zmm
// ALL: # k4 "cross_entropy_grad"
// AVX2: vfmadd{{.*}}%ymm
// AVX512: vfmadd{{.*}}%zmm
// ALL: # k5 "mul_erf_mul"
// AVX2: v{{mul|fmadd[0-9]*}}ps{{.*}}%ymm
// AVX512: v{{mul|fmadd[0-9]*}}ps{{.*}}%zmm
// ALL: # k6 "cast_add_cast"
// AVX2: vaddps{{.*}}%ymm
// AVX512: vaddps{{.*}}%zmm
// ALL: # k7 "flat_update"
// AVX2: vsqrtps{{.*}}%ymm
// AVX512: vsqrtps{{.*}}%zmm

func.func @rows(%x: tensor<64x1024xf32>, %r: tensor<64x1024xf32>, %g: tensor<1024xf32>) -> (tensor<64x1024xf32>, tensor<64x1024xf32>) {
  %s = onnx.add %x, %r : tensor<64x1024xf32>, tensor<64x1024xf32> -> tensor<64x1024xf32>
  %y, %m, %d = onnx.layer_normalization %s, %g epsilon 1.0e-5 : (tensor<64x1024xf32>, tensor<1024xf32>) -> (tensor<64x1024xf32>, tensor<64xf32>, tensor<64xf32>)
  %p = onnx.softmax %y : tensor<64x1024xf32> -> tensor<64x1024xf32>
  return %p, %s : tensor<64x1024xf32>, tensor<64x1024xf32>
}

func.func @attention(%q: tensor<2x4x256x64xf32>) -> tensor<2x4x256x64xf32> {
  %y, %m, %s = onnx.attention %q, %q, %q scale 1.25e-01 {causal} : (tensor<2x4x256x64xf32>, tensor<2x4x256x64xf32>, tensor<2x4x256x64xf32>) -> (tensor<2x4x256x64xf32>, tensor<2x4x256xf32>, tensor<2x4x256xf32>)
  return %y : tensor<2x4x256x64xf32>
}

func.func @loss(%x: tensor<64x5000xf32>, %t: tensor<64xi64>, %s: tensor<f32>) -> (tensor<64xf32>, tensor<64x5000xf32>) {
  %l, %e = train.cross_entropy %x, %t ignore -100 : tensor<64x5000xf32>, tensor<64xi64> -> tensor<64xf32>, tensor<64xf32>
  %d = train.cross_entropy_grad %x, %t, %e, %s ignore -100 : tensor<64x5000xf32>, tensor<64xi64>, tensor<64xf32>, tensor<f32>
  return %l, %d : tensor<64xf32>, tensor<64x5000xf32>
}

func.func @gelu(%x: tensor<64x1024xf32>) -> tensor<64x1024xf32> {
  %c = onnx.constant dense<0.707106769> : tensor<f32> : tensor<f32>
  %h = onnx.mul %x, %c : tensor<64x1024xf32>, tensor<f32> -> tensor<64x1024xf32>
  %e = onnx.erf %h : tensor<64x1024xf32> -> tensor<64x1024xf32>
  %y = onnx.mul %e, %x : tensor<64x1024xf32>, tensor<64x1024xf32> -> tensor<64x1024xf32>
  return %y : tensor<64x1024xf32>
}

func.func @half(%x: tensor<64x1024xbf16>) -> tensor<64x1024xbf16> {
  %w = onnx.cast %x : tensor<64x1024xbf16> -> tensor<64x1024xf32>
  %s = onnx.add %w, %w : tensor<64x1024xf32>, tensor<64x1024xf32> -> tensor<64x1024xf32>
  %y = onnx.cast %s : tensor<64x1024xf32> -> tensor<64x1024xbf16>
  return %y : tensor<64x1024xbf16>
}

func.func @update(%p: tensor<4096xf32>, %g: tensor<4096xf32>, %m: tensor<4096xf32>, %v: tensor<4096xf32>, %lr: tensor<f32>, %t: tensor<f32>, %r: tensor<i64>) -> (tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>) {
  %a, %b, %d = train.flat_update (%p, %g states %m, %v lr %lr step %t rank %r) [#train.range<end = 2048, rule = #train.adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8, decay = 0.1>>, #train.range<end = 4096, rule = #train.adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8, decay = 0.0>>] : (tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>, tensor<f32>, tensor<f32>, tensor<i64>) -> (tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>)
  return %a, %b, %d : tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>
}
