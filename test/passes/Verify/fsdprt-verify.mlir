// RUN: fsdp-opt %s --fsdprt-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that a good program passes: the programs below differ from it by the
// one thing that their rule forbids.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: an argument leaves its buffer.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  // expected-error @+1 {{is not a range of a declared buffer (fsdprt_v1)}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [65 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: an argument names no buffer.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  // expected-error @+1 {{is not a range of a declared buffer (fsdprt_v1)}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 7 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: a buffer is read before anything wrote it.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  // expected-error @+1 {{reads buffer 2 before anything wrote it in phase 'step' (fsdprt_v1)}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 1 [64 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: a phase holds something else than dispatches.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  // expected-error @+1 {{is not a dispatch on a stream (fsdprt_v1)}}
  %c = arith.constant 0 : i32
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v2 rejects this: a buffer has no offset.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
// expected-error @+1 {{has no offset (fsdprt_v2)}}
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at -1
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v2 rejects this: a buffer reaches over the end of its arena.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
// expected-error @+1 {{has 192 bytes, but its last buffer ends at 256 (fsdprt_v2)}}
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 192
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v2 rejects this: an arena is longer than its buffers.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
// expected-error @+1 {{has 256 bytes, but its last buffer ends at 192 (fsdprt_v2)}}
fsdprt.arena 1 "work" bytes 256
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v2 rejects this: a buffer lies in an arena that is not declared.
// expected-error @+1 {{buffers lie in arena 1, which is not declared (fsdprt_v2)}}
module {
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}
}

// -----

// Tests that fsdprt_v3 rejects this: two buffers that are alive together share bytes.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
// expected-note @+1 {{the other buffer}}
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
// expected-error @+1 {{shares bytes with buffer 1 while both are alive (fsdprt_v3)}}
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 64
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v3 rejects this: a buffer of all phases shares bytes with another.
fsdprt.arena 0 "state" bytes 128 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
// expected-note @+1 {{the other buffer}}
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 128 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
// expected-error @+1 {{shares bytes with buffer 0 while both are alive (fsdprt_v3)}}
fsdprt.buffer 3 "b3" shard unit "h.0" phase "" bytes 64 arena 0 at 64
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that a buffer may take the bytes of one that is dead (fsdprt_v3).
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.buffer 3 "b3" activation unit "h.0" phase "step" bytes 64 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e3 = fsdprt.copy "again" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] wait (%e1) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v4 rejects this: a gathered parameter is read without waiting for its
// gather.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  // expected-note @+1 {{the other dispatch, issued before}}
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  // expected-error @+1 {{touches bytes [64, 128) of arena 1 without an event that orders it with another dispatch (fsdprt_v4)}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v4 rejects this: bytes are reused by a gather that does not wait for their
// last reader.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.buffer 3 "b3" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  // expected-note @+1 {{the other dispatch}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  // expected-error @+1 {{touches bytes [64, 128) of arena 1 without an event}}
  %e3 = fsdprt.all_gather "next" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 3 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that the same reuse across an event is allowed (fsdprt_v4).
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.buffer 3 "b3" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e3 = fsdprt.all_gather "next" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 3 [0 : 128]>] wait (%e1) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that order follows through the events of a third stream (fsdprt_v4).
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e4 = fsdprt.copy "copy" on copy [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<update 2 [0 : 64]>] wait (%e4) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v5 rejects this: a phase does not end by joining all streams.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
// expected-error @+1 {{does not end by joining all streams (fsdprt_v5)}}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
}

// -----

// Tests that fsdprt_v5 rejects this: an empty phase does not join either.
// expected-error @+1 {{does not end by joining all streams (fsdprt_v5)}}
fsdprt.phase @step runs microbatch {
}

// -----

// Tests that fsdprt_v3 rejects this: a gathered line is read after its release, when the next
// line has taken its bytes.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
// expected-note @+1 {{the other buffer}}
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
// expected-error @+1 {{shares bytes with buffer 1 while both are alive (fsdprt_v3)}}
fsdprt.buffer 3 "b3" gathered unit "h.1" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e3 = fsdprt.all_gather "next" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 3 [0 : 128]>] wait (%e1) unit "h.1" scope ""
  %e4 = fsdprt.copy "late" on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e3) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e4) unit "" scope ""
}

// -----

// Tests that fsdprt_v4 rejects this: a gather writes to a live buffer, beside its other reader.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e4 = fsdprt.copy "other" on copy [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  // expected-note @+1 {{the other dispatch, issued before}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<update 2 [0 : 64]>] wait (%e4) unit "h.0" scope ""
  // expected-error @+1 {{touches bytes [64, 128) of arena 1 without an event}}
  %e3 = fsdprt.all_gather "again" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] wait (%e4) unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that MLIR itself rejects this: an event is waited for before it is recorded.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{operand #0 does not dominate this use}}
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  // expected-note @+1 {{operand defined here}}
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v6 rejects this: a communicator is used on two streams, even one after the
// other.
fsdprt.arena 0 "state" bytes 64 persistent
// expected-note @+1 {{the communicator}}
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 192
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.buffer 3 "b3" gathered unit "h.1" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  // expected-error @+1 {{is on stream 'reduce', expected that of its communicator, 'gather' (fsdprt_v6)}}
  %e3 = fsdprt.all_gather "next" f32 count 16 payload 128 by 0 on reduce [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 3 [0 : 128]>] wait (%e1) unit "h.1" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that another communicator may share the stream (fsdprt_v6).
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 2 "scalar" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 256
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" activation unit "h.0" phase "step" bytes 64 arena 1 at 128
fsdprt.buffer 3 "b3" scratch unit "" phase "step" bytes 64 arena 1 at 192
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 1 [64 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] wait (%e0) unit "h.0" scope ""
  %e3 = fsdprt.all_reduce "sum" f32 count 4 by 2 on gather [#fsdprt.arg<update 2 [0 : 16]>, #fsdprt.arg<scratch 3 [0 : 64]>] wait (%e1) unit "" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e1) unit "" scope ""
}

// -----

// Tests that fsdprt_v6 rejects this: a communicator is not declared.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 128
fsdprt.communicator 1 "gather" over ["shard"] of [2] on gather
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{is by communicator 0, which is not declared (fsdprt_v6)}}
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0) unit "" scope ""
}

// -----

// Tests that fsdprt_v6 rejects this: two communicators have one number.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 128
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
// expected-error @+1 {{has the number of another communicator (fsdprt_v6)}}
fsdprt.communicator 0 "reduce" over ["shard"] of [2] on reduce
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0) unit "" scope ""
}

// -----

// Tests that fsdprt_v6 rejects this: a line is for fewer ranks than exchange.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 128
// expected-note @+1 {{the communicator}}
fsdprt.communicator 0 "gather" over ["shard"] of [4] on gather
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{is between a shard of 64 bytes and a line of 128, expected 4 shards, one of each rank of its communicator (fsdprt_v6)}}
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0) unit "" scope ""
}

// -----

// Tests that groups of ranks may cross: shards are gathered in rows of the mesh and summed over
// its columns (fsdprt_v7, fsdprt_v8).
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 512
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.communicator 1 "replicas" over ["replicate"] of [4] on reduce
fsdprt.communicator 2 "scalar" over ["replicate", "shard"] of [4, 2] on reduce
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "b2" reduced unit "h.0" phase "step" bytes 32 arena 1 at 128
fsdprt.buffer 3 "b3" scratch unit "" phase "step" bytes 256 arena 1 at 256
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.reduce_scatter "reduce" f32 count 8 payload 128 by 1 on reduce [#fsdprt.arg<read 1 [0 : 128]>, #fsdprt.arg<write 2 [0 : 32]>, #fsdprt.arg<scratch 3 [0 : 128]>] wait (%e0) unit "h.0" scope ""
  %e2 = fsdprt.all_reduce "sum" f32 count 8 by 2 on reduce [#fsdprt.arg<update 2 [0 : 32]>, #fsdprt.arg<scratch 3 [0 : 256]>] unit "" scope ""
  %e3 = fsdprt.join "join" on compute [] wait (%e0, %e2) unit "" scope ""
}

// -----

// Tests that segments which ascend within the shard are accepted.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 segments [0, 5, 8, 8] by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0) unit "" scope ""
}

// -----

// Tests that fsdprt_v9 rejects this: two segments overlap.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has segments [0, 5, 4, 8], expected pairs of offset and elements that ascend, do not overlap and end by 16 (fsdprt_v9)}}
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 segments [0, 5, 4, 8] by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0) unit "" scope ""
}

// -----

// Tests that fsdprt_v9 rejects this: a segment leaves the shard.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{(fsdprt_v9)}}
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 128 segments [0, 5, 8, 9] by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0) unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: two buffers have one number.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
// expected-error @+1 {{has the number of another buffer (fsdprt_v1)}}
fsdprt.buffer 0 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e2 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: a buffer of one phase is used in another.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @init runs once {
  // expected-error @+1 {{uses buffer 1 of phase 'step' in phase 'init' (fsdprt_v1)}}
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 128]>] unit "h.0" scope ""
  %e2 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %e2 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that buffers without bytes, as those of parameters without elements, may
// lie at one offset (fsdprt_v3).
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.arena 1 "work" bytes 128
fsdprt.buffer 0 "b0" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" shard unit "h.1" phase "" bytes 0 arena 0 at 0
fsdprt.buffer 2 "b2" gathered unit "h.1" phase "step" bytes 0 arena 1 at 0
fsdprt.buffer 3 "b3" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.all_gather "gather" f32 count 16 payload 64 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 3 [0 : 128]>] unit "h.0" scope ""
  %e1 = fsdprt.all_gather "gather" f32 count 0 payload 0 by 0 on gather [#fsdprt.arg<read 1 [0 : 0]>, #fsdprt.arg<write 2 [0 : 0]>] unit "h.1" scope ""
  %e2 = fsdprt.join "join" on compute [] wait (%e0, %e1) unit "" scope ""
}

// -----

// Tests that what a microbatch writes may live until the update.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "update" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v11 rejects this: the update does not use it.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
// expected-error @+1 {{lives until phase 'update', which does not use it (fsdprt_v11)}}
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "update" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v11 rejects this: the update runs behind the accumulation.
fsdprt.phase @update runs update {
  %e0 = fsdprt.join "join" on compute [] unit "" scope ""
}
// expected-error @+1 {{runs 'accumulate', expected before 'update', which runs 'update' (fsdprt_v11)}}
fsdprt.phase @sums runs accumulate {
  %e0 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that what a microbatch leaves is written by itself first.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "update" bytes 64 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  // expected-error @+1 {{writes buffer 0 before anything wrote it in phase 'step' (fsdprt_v1)}}
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v11 rejects this: there is no such phase.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
// expected-error @+1 {{lives in phase 'step' until 'end', which the program does not have (fsdprt_v11)}}
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "end" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v11 rejects this: the phases come in another order.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
// expected-error @+1 {{lives in phase 'update' until 'step', which comes before (fsdprt_v11)}}
fsdprt.buffer 0 "b0" reduced unit "" phase "update" until "step" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v11 rejects this: the second of several microbatches would
// write over it what the first left there.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
// expected-error @+1 {{expected only what a microbatch writes to live longer than its phase (fsdprt_v11)}}
fsdprt.buffer 0 "b0" reduced unit "" phase "count" until "update" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @count runs count {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v11 rejects this: parameters may be saved after any step.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
// expected-error @+1 {{over phase 'save', which is none of the same step's (fsdprt_v11)}}
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "update" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @save runs save {
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v1 rejects this: the update may not be the first to write.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "update" bytes 64 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  // expected-error @+1 {{writes buffer 0 before anything wrote it in phase 'step' (fsdprt_v1)}}
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v3 rejects this: in the update another buffer takes the
// bytes of what lives until then.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 64
// expected-note @+1 {{the other buffer}}
fsdprt.buffer 0 "b0" reduced unit "" phase "step" until "update" bytes 64 arena 1 at 0
fsdprt.buffer 1 "b1" shard unit "" phase "" bytes 64 arena 0 at 0
// expected-error @+1 {{shares bytes with buffer 0 while both are alive (fsdprt_v3)}}
fsdprt.buffer 2 "b2" activation unit "" phase "update" bytes 64 arena 1 at 0
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @update runs update {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v12 rejects this: the next microbatch would read what this
// one has left there.
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.buffer 0 "b0" gathered unit "" phase "" bytes 64 arena 0 at 0
fsdprt.phase @gather runs gather {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{writes buffer 0, which is gathered for all microbatches of a step (fsdprt_v12)}}
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.join "join" on compute [] unit "" scope ""
}
