// RUN: fsdp-opt %s -o %t.mlir && FileCheck %s < %t.mlir
// RUN: fsdp-opt %t.mlir | diff %t.mlir -
// RUN: fsdp-opt %s --mlir-print-op-generic | fsdp-opt | diff %t.mlir -

// Tests that printing and parsing give the same program, in the custom and in
// the generic form.
// CHECK: fsdprt.arena 0 "state" bytes 64 persistent
// CHECK: fsdprt.arena 1 "work" bytes 128{{$}}
// CHECK: fsdprt.arena 2 "accumulate" bytes 64 persistent for accumulate
// CHECK: fsdprt.communicator 2 "scalar" over ["replicate", "shard"] of [2, 4] on reduce
// CHECK: fsdprt.buffer 0 "h.0 parameters" shard unit "h.0" phase "" bytes 64 arena 0 at 0
// CHECK: fsdprt.buffer 1 "h.0" gathered unit "h.0" phase "step" bytes 128 arena 1 at -1
// CHECK: fsdprt.buffer 2 "h.0 reduced" reduced unit "h.0" phase "step" until "update" bytes 64 arena 1 at -1
// CHECK-LABEL: fsdprt.phase @step runs microbatch
// CHECK: %[[FILL:.*]] = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1[0 : 128]>] unit "h.0" scope "h.0.mlp"
// CHECK: %[[GATHER:.*]] = fsdprt.all_gather "gather" f32 count 16 payload 100 by 0 on gather [#fsdprt.arg<read 0[0 : 64]>, #fsdprt.arg<write 1[0 : 128]>] wait(%[[FILL]]) unit "h.0" scope ""
// CHECK: %[[GEMM:.*]] = fsdprt.gemm "product" bf16 to f32 accumulate true 2 x 2 x 4 batch {{\[3\]}} strides [8, 4, 1] [0, 1, 4] [4, 2, 1] on compute
// CHECK: fsdprt.launch "add" @k0 extent 4 scratch 64 on compute [#fsdprt.arg<update 1[0 : 64]>, #fsdprt.arg<scratch 1[64 : 64]>] wait(%[[GATHER]], %[[GEMM]])
// CHECK: fsdprt.launch "add" @k0 extent 4 scratch 32 grid 2 x 64 on compute
// CHECK: fsdprt.gemm {{.*}} strides [4, 1] [1, 4] [2, 1] tf32 on compute
// CHECK: fsdprt.reduce_scatter "reduce" f32 count 16 payload 100 by 1 on reduce
// CHECK: fsdprt.all_reduce "sum" f64 count 1 by 2 on reduce
// CHECK: fsdprt.copy "copy" on copy
// CHECK: fsdprt.constant "one" dense<1.000000e+00> : tensor<f32> on compute
// CHECK: fsdprt.load "load" 0 line 1 on compute
// CHECK: fsdprt.store "store" 0 line 1 on compute
// CHECK: fsdprt.join "join" on compute []
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 128
fsdprt.arena 2 "accumulate" bytes 64 persistent for accumulate
fsdprt.communicator 2 "scalar" over ["replicate", "shard"] of [2, 4] on reduce
fsdprt.buffer 0 "h.0 parameters" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "h.0" gathered unit "h.0" phase "step" bytes 128 arena 1 at -1
fsdprt.buffer 2 "h.0 reduced" reduced unit "h.0" phase "step" until "update" bytes 64 arena 1 at -1
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope "h.0.mlp"
  %e1 = fsdprt.all_gather "gather" f32 count 16 payload 100 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.gemm "product" bf16 to f32 accumulate true 2 x 2 x 4 batch [3] strides [8, 4, 1] [0, 1, 4] [4, 2, 1] on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<update 1 [64 : 64]>] unit "" scope ""
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 64 on compute [#fsdprt.arg<update 1 [0 : 64]>, #fsdprt.arg<scratch 1 [64 : 64]>] wait (%e1, %e2) unit "h.0" scope ""
  %g0 = fsdprt.launch "add" @k0 extent 4 scratch 32 grid 2 x 64 on compute [#fsdprt.arg<update 1 [0 : 64]>, #fsdprt.arg<scratch 1 [64 : 64]>] unit "h.0" scope ""
  %g1 = fsdprt.gemm "product" f32 to f32 accumulate true 2 x 2 x 4 batch [] strides [4, 1] [1, 4] [2, 1] tf32 on compute [#fsdprt.arg<read 1 [0 : 32]>, #fsdprt.arg<read 1 [0 : 32]>, #fsdprt.arg<update 1 [64 : 16]>] unit "h.0" scope ""
  %e4 = fsdprt.reduce_scatter "reduce" f32 count 16 payload 100 by 1 on reduce [#fsdprt.arg<read 1 [0 : 128]>, #fsdprt.arg<write 0 [0 : 64]>, #fsdprt.arg<scratch 1 [0 : 128]>] wait (%e3) unit "h.0" scope ""
  %e5 = fsdprt.all_reduce "sum" f64 count 1 by 2 on reduce [#fsdprt.arg<update 1 [0 : 8]>, #fsdprt.arg<scratch 1 [64 : 64]>] unit "" scope ""
  %e6 = fsdprt.copy "copy" on copy [#fsdprt.arg<read 1 [0 : 8]>, #fsdprt.arg<write 1 [64 : 8]>] unit "" scope ""
  %e7 = fsdprt.constant "one" dense<1.0> : tensor<f32> on compute [#fsdprt.arg<write 1 [0 : 4]>] unit "" scope ""
  %e8 = fsdprt.load "load" 0 line 1 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "h.0" scope ""
  %e9 = fsdprt.store "store" 0 line 1 on compute [#fsdprt.arg<read 1 [0 : 128]>] unit "h.0" scope ""
  %e10 = fsdprt.join "join" on compute [] unit "" scope ""
}
