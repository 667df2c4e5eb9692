// RUN: split-file %s %t
// RUN: fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/good.mlir,%t/good.mlir -o %t/out.mlir
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/order.mlir 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/good.mlir,%t/size.mlir 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/segments.mlir 2>&1 | FileCheck %s --check-prefix=SEGMENTS
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/less.mlir 2>&1 | FileCheck %s --check-prefix=LESS
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/cycle.mlir 2>&1 | FileCheck %s --check-prefix=CYCLE
// RUN: fsdp-opt %t/cycle.mlir --fsdprt-verify=peers=%t/cycle.mlir -o %t/out.mlir
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/phases.mlir 2>&1 | FileCheck %s --check-prefix=PHASES
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/ranks.mlir 2>&1 | FileCheck %s --check-prefix=RANKS
// RUN: not fsdp-opt %t/good.mlir --fsdprt-verify=peers=%t/none.mlir 2>&1 | FileCheck %s --check-prefix=NONE

// Tests that ranks with other programs are accepted if these agree: the files below differ from
// the first by the one thing that the rule forbids.

//--- good.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e, %g1) unit "" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that fsdprt_v7 rejects this: a member issues another order.
// ORDER: good.mlir:{{.*}} error: 'fsdprt.all_gather' op is what rank 0 issues next on the gather communicator, but rank 1 issues something else: all its members issue the same collectives in the same order (fsdprt_v7)
// ORDER: order.mlir:{{.*}} note: rank 1 issues: {{.*}}unit "h.1"

//--- order.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e, %g0) unit "" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that fsdprt_v7 rejects this: a member gathers other bytes.
// SIZE: good.mlir:{{.*}} error: 'fsdprt.all_gather' op is what rank 0 issues next on the gather communicator, but rank 2 issues something else
// SIZE: size.mlir:{{.*}} note: rank 2 issues: {{.*}}count 8

//--- size.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 8 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 32]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e) unit "h.1" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e, %g1) unit "" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that fsdprt_v7 rejects this: a member leaves a collective out.
// LESS: good.mlir:{{.*}} error: 'fsdprt.all_reduce' op is what rank 0 issues next on the scalar communicator, but another rank issues no more there (fsdprt_v7)

//--- less.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that fsdprt_v8 rejects this: one rank sums before it gathers, the other after, each with
// an event; both issue the same on each communicator.
// CYCLE: error: 'fsdprt.{{.*}}' op never ends: it waits for itself, through {{[0-9]+}} dispatches (fsdprt_v8)
// CYCLE: note: on rank {{[01]}} this waits for the next one, on rank {{[01]}}

//--- cycle.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e) unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%r) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that fsdprt_v7 rejects this: the other rank has another phase.
// PHASES: error: does not have the phases of the peer's program '{{.*}}phases.mlir' (fsdprt_v7)

//--- phases.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs save {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e, %g1) unit "" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// NONE: error: cannot read the peer's program '{{.*}}none.mlir'

// Tests that fsdprt_v7 rejects this: a member cuts a line between parameters.
// SEGMENTS: good.mlir:{{.*}} error: 'fsdprt.all_gather' op is what rank 0 issues next on the gather communicator, but rank 1 issues something else
// SEGMENTS: segments.mlir:{{.*}} note: rank 1 issues: {{.*}}segments [0, 8, 8, 8]

//--- segments.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 segments [0, 8, 8, 8] by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e, %g1) unit "" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that fsdprt_v7 rejects this: a member sums over more ranks.
// RANKS: error: does not have the communicators of the peer's program '{{.*}}ranks.mlir' (fsdprt_v7)

//--- ranks.mlir
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [4] on reduce
fsdprt.arena 1 "work" bytes 512
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "" phase "step" bytes 64 arena 1 at 256
fsdprt.buffer 4 "b4" scratch unit "" phase "step" bytes 128 arena 1 at 320
fsdprt.buffer 5 "b5" scalar unit "" phase "step" bytes 64 arena 1 at 448
fsdprt.phase @step runs microbatch {
  %e = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 64]>] unit "" scope ""
  %g0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e) unit "h.0" scope ""
  %g1 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e) unit "h.1" scope ""
  %r = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 5 [0 : 64]>, #fsdprt.arg<scratch 4 [0 : 128]>] wait (%e, %g1) unit "" scope ""
  %c = fsdprt.copy "use" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g0) unit "h.0" scope ""
  %d = fsdprt.copy "use" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%g1) unit "h.1" scope ""
  %join = fsdprt.join "join" on compute [] unit "" scope ""
}
