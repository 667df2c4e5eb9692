// RUN: fsdp-opt %s --fsdprt-verify --verify-diagnostics --split-input-file -o %t.mlir

// Tests that a launch may read one range twice and write another.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that a kernel may compute its result in place of the operand that its
// contract names (fsdprt_v10).
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that two operands in the result's place need both pairs (fsdprt_v10).
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2, 1, 2>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: a second operand is in the result's place, as
// the key of an attention may be its query.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 1 and 2, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: the kernel has no contract.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 0 and 2, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: the contract names the other operand.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 1, 2>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 0 and 2, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: the contract names the other result.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 3>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 0 and 2, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: the contract allows whole ranges, not parts.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [160, 192) of arena 0 in arguments 0 and 2, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 2 [32 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: two results are one range.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2, 0, 3>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 2 and 3, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: scratch is an operand.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2, 1, 2>} {}
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 0 and 3, of which one is written, and kernel @k0 does not say that it computes these in place (fsdprt_v10)}}
  %e3 = fsdprt.launch "add" @k0 extent 4 scratch 64 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>, #fsdprt.arg<scratch 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: a copy whose ranges overlap.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [160, 192) of arena 0 in arguments 0 and 1, of which one is written, and only a launch may compute in place (fsdprt_v10)}}
  %e3 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 2 [32 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that a copy within a buffer is allowed where the ranges only meet.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  %e3 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 2 [64 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: a product over one of its factors.
fsdprt.arena 0 "work" bytes 256
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [0, 64) of arena 0 in arguments 0 and 2, of which one is written, and only a launch may compute in place (fsdprt_v10)}}
  %e3 = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that fsdprt_v10 rejects this: a line is gathered over the shard.
fsdprt.arena 0 "work" bytes 256
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
fsdprt.buffer 0 "b0" activation unit "" phase "step" bytes 64 arena 0 at 0
fsdprt.buffer 1 "b1" activation unit "" phase "step" bytes 64 arena 0 at 64
fsdprt.buffer 2 "b2" activation unit "" phase "step" bytes 128 arena 0 at 128
fsdprt.phase @step runs microbatch {
  %e0 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "" scope ""
  %e1 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
  %e2 = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
  // expected-error @+1 {{has bytes [128, 192) of arena 0 in arguments 0 and 1, of which one is written, and only a launch may compute in place (fsdprt_v10)}}
  %e3 = fsdprt.all_gather "gather" f32 count 16 payload 128 by 0 on gather [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] wait (%e2) unit "" scope ""
  %e9 = fsdprt.join "join" on compute [] wait (%e3) unit "" scope ""
}
