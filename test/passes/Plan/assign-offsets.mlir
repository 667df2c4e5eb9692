// RUN: fsdp-opt %s --plan-assign-offsets --split-input-file --verify-diagnostics | FileCheck %s
// RUN: fsdp-opt %s --plan-assign-offsets --fsdprt-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that buffers of all phases lie one after the other, aligned to 64
// bytes, that a buffer takes the bytes of one that is dead, that one alive
// beside it gets its own, that phases share the arena, and that a buffer which
// nothing uses goes.
// CHECK-DAG: fsdprt.arena 0 "state" bytes 192 persistent
// CHECK-DAG: fsdprt.arena 1 "work" bytes 192
// CHECK-DAG: fsdprt.buffer 0 {{.*}} arena 0 at 0
// CHECK-DAG: fsdprt.buffer 1 {{.*}} arena 0 at 128
// CHECK-DAG: fsdprt.buffer 2 {{.*}} arena 1 at [[FIRST:0|128]]
// CHECK-DAG: fsdprt.buffer 3 {{.*}} arena 1 at
// CHECK-DAG: fsdprt.buffer 4 {{.*}} arena 1 at [[FIRST]]
// CHECK-DAG: fsdprt.buffer 5 {{.*}} phase "export" bytes 192 arena 1 at 0
// CHECK-NOT: fsdprt.buffer 6
// CHECK: fsdprt.phase @step
fsdprt.buffer 0 "p" shard unit "" phase "" bytes 100 arena 0 at -1
fsdprt.buffer 1 "m" optimizer unit "" phase "" bytes 64 arena 0 at -1
fsdprt.buffer 2 "a" activation unit "" phase "step" bytes 64 arena 1 at -1
fsdprt.buffer 3 "b" activation unit "" phase "step" bytes 128 arena 1 at -1
fsdprt.buffer 4 "c" activation unit "" phase "step" bytes 64 arena 1 at -1
fsdprt.buffer 5 "e" gathered unit "" phase "export" bytes 192 arena 1 at -1
fsdprt.buffer 6 "unused" activation unit "" phase "step" bytes 4096 arena 1 at -1
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.copy "p to a" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.copy "a to b" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] unit "" scope ""
  %2 = fsdprt.copy "b to c" on compute [#fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 4 [0 : 64]>] unit "" scope ""
  %3 = fsdprt.copy "c to m" on compute [#fsdprt.arg<read 4 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %4 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @export runs save {
  %0 = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 192]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that what a collective uses keeps its bytes until compute has waited for
// its event, also from what compute writes meanwhile, and loses them then.
// CHECK: arena 0 "state" bytes 64 persistent
// CHECK-DAG: fsdprt.arena 1 "work" bytes 192
// CHECK-DAG: fsdprt.buffer 1 {{.*}} at [[GRADIENTS:0|64|128]]
// CHECK-DAG: fsdprt.buffer 2 {{.*}} at
// CHECK-DAG: fsdprt.buffer 3 {{.*}} at
// CHECK-DAG: fsdprt.buffer 4 {{.*}} at [[GRADIENTS]]
module {
  fsdprt.buffer 0 "p" shard unit "" phase "" bytes 64 arena 0 at -1
  fsdprt.buffer 1 "gradients" gradient unit "" phase "step" bytes 64 arena 1 at -1
  fsdprt.buffer 2 "reduced" reduced unit "" phase "step" bytes 64 arena 1 at -1
  fsdprt.buffer 3 "beside" activation unit "" phase "step" bytes 64 arena 1 at -1
  fsdprt.buffer 4 "after" activation unit "" phase "step" bytes 64 arena 1 at -1
  fsdprt.phase @step runs microbatch {
    %0 = fsdprt.copy "gradients" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
    %1 = fsdprt.copy "reduce" on reduce [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait(%0) unit "" scope ""
    %2 = fsdprt.fill "beside" byte 0 on compute [#fsdprt.arg<write 3 [0 : 64]>] unit "" scope ""
    %3 = fsdprt.copy "after" on compute [#fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 4 [0 : 64]>] wait(%1) unit "" scope ""
    %4 = fsdprt.copy "update" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
    %5 = fsdprt.join "join" on compute [] unit "" scope ""
  }
}

// -----

// Tests that a program with arenas is not planned again.
// expected-error @+1 {{offsets are assigned already}}
module {
  fsdprt.arena 0 "state" bytes 0 persistent
  fsdprt.arena 1 "work" bytes 0
}

// -----

// Tests that a buffer nothing wrote has no life to plan.
fsdprt.buffer 2 "a" activation unit "" phase "step" bytes 64 arena 1 at -1
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{reads buffer 2 before anything wrote it in phase 'step' (fsdprt_v1)}}
  %0 = fsdprt.store "store" 0 line 0 on compute [#fsdprt.arg<read 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
