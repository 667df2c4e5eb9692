// Tests what kernels for a GPU are made of: an entry point of whole warps, maps
// shared by blocks and threads without a barrier but the one between chunks,
// reductions by shuffles and shared memory, columns summed in f64, attention
// without the library that a CPU has.
// RUN: fsdp-opt %s --kernel-form-groups --kernel-to-ptx=chip=sm_90 -o /dev/null | FileCheck %s --implicit-check-not=.extern --implicit-check-not=.local
// RUN: rm -rf %t && fsdp-opt %s --kernel-form-groups --kernel-to-ptx=output=%t | FileCheck %s --check-prefix=MODULE
// RUN: FileCheck %s --check-prefix=FILE < %t/k1.ptx
// RUN: not fsdp-opt %s --kernel-form-groups --kernel-to-ptx=chip=sm_0 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not fsdp-opt %s --kernel-form-groups --kernel-to-ptx=output=%s/x 2>&1 | FileCheck %s --check-prefix=FOLDER
// MODULE: train.kernel "add_exp"
// FILE: // k1 "softmax"
// UNKNOWN: error: unknown GPU 'sm_0', expected one of LLVM's names, as sm_90
// FOLDER: error: cannot write '{{.*}}k0.ptx': {{[nN]}}ot a directory

// CHECK:     // k0 "add_exp": 40 blocks of 256 threads, 0 bytes of scratch each
// CHECK:     .target sm_90
// CHECK:     .visible .entry k0(
// CHECK:     .reqntid 256
// CHECK:     %ctaid.x
// CHECK:     bar.sync
// CHECK-NOT: bar.sync
// CHECK:     // k1 "softmax": 40 blocks of 256 threads
// CHECK:     .shared .align {{.*}}k1_body_parts_f32[32]
// CHECK:     %tid.x
// CHECK:     shfl.sync.bfly.b32
// CHECK:     bar.sync
// CHECK:     // k2 "reduce_sum": 4 blocks of 256 threads
// CHECK:     add{{.*}}.f64
// CHECK:     // k3 "attention": 2 blocks of 256 threads, 1024 bytes of scratch each
// CHECK:     .visible .entry k3(
// CHECK:     fma.rn.f32
func.func @f(%x: tensor<40x1000xf32>, %q: tensor<1x2x16x8xf32>) -> (tensor<1000xf32>, tensor<1x2x16x8xf32>) {
  %s = onnx.add %x, %x : tensor<40x1000xf32>, tensor<40x1000xf32> -> tensor<40x1000xf32>
  %e = onnx.exp %s : tensor<40x1000xf32> -> tensor<40x1000xf32>
  %p = onnx.softmax %e : tensor<40x1000xf32> -> tensor<40x1000xf32>
  %c = onnx.reduce_sum %p [0] keepdims false : tensor<40x1000xf32> -> tensor<1000xf32>
  %y, %m, %t = onnx.attention %q, %q, %q scale 1.25e-01 : (tensor<1x2x16x8xf32>, tensor<1x2x16x8xf32>, tensor<1x2x16x8xf32>) -> (tensor<1x2x16x8xf32>, tensor<1x2x16xf32>, tensor<1x2x16xf32>)
  return %c, %y : tensor<1000xf32>, tensor<1x2x16x8xf32>
}
