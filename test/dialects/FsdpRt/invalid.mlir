// RUN: fsdp-opt %s --verify-diagnostics --split-input-file -o %t.mlir

// Tests that there are four streams.
fsdprt.phase @stream runs microbatch {
  // expected-error @+2 {{failed to parse FsdpRt_StreamAttr parameter 'value'}}
  // expected-error @+1 {{expected ::fsdp::rt::Stream to be one of: compute, gather, reduce, copy}}
  %e = fsdprt.join "join" on side [] unit "" scope ""
}

// -----

// Tests that an argument says how it is used.
fsdprt.phase @access runs microbatch {
  // expected-error @+2 {{invalid access specification: touch}}
  // expected-error @+1 {{failed to parse FsdpRt_ArgAttr parameter 'access'}}
  %e = fsdprt.join "join" on compute [#fsdprt.arg<touch 0 [0 : 4]>] unit "" scope ""
}

// -----

// Tests that dispatches take ranges of buffers and nothing else.
fsdprt.phase @arguments runs microbatch {
  // expected-error @+1 {{attribute 'args' failed to satisfy constraint: dispatch arguments}}
  %e = fsdprt.join "join" on compute [4 : i64] unit "" scope ""
}

// -----

// Tests that a dispatch waits for events.
func.func @wait_for_events(%x: tensor<4xf32>) {
  // expected-error @+1 {{operand #0 must be variadic of the end of one dispatch}}
  %e = "fsdprt.join"(%x) {name = "join", stream = #fsdprt<stream compute>, args = [], unit = "", scope = ""} : (tensor<4xf32>) -> !fsdprt.event
  return
}

// -----

// Tests that an argument begins at 0 or later (arg_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument is [-4 : 4] of buffer 0, expected numbers of 0 or more (arg_c1)}}
  %e = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [-4 : 4]>] unit "" scope ""
}

// -----

// Tests that an argument ends where numbers do (arg_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{(arg_c1)}}
  %e = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<write 0 [9223372036854775807 : 1]>] unit "" scope ""
}

// -----

// Tests that what a kernel computes in place is pairs (in_place_c1).
// expected-error @+1 {{expected pairs of arguments' numbers on a kernel's module (in_place_c1)}}
module @k0 attributes {fsdprt.in_place = array<i64: 0, 2, 1>} {}

// -----

// Tests that only a kernel says what it computes in place (in_place_c1).
// expected-error @+1 {{(in_place_c1)}}
fsdprt.arena 0 "state" bytes 64 {fsdprt.in_place = array<i64: 0, 2>}

// -----

// Tests that a target is one that is known (target_c1).
// expected-error @+1 {{has 'fsdprt.target' "cuda", expected a #fsdprt.cuda on the program's module (target_c1)}}
module attributes {fsdprt.target = "cuda"} {}

// -----

// Tests that only a program has a target (target_c1).
// expected-error @+1 {{(target_c1)}}
fsdprt.arena 0 "state" bytes 64 {fsdprt.target = #fsdprt.cuda<"sm_90">}

// -----

// Tests that a communicator has a number (communicator_c1).
// expected-error @+1 {{has number -1 over ["shard"] of [2], expected 0 or more and axes, each once, with their sizes (communicator_c1)}}
fsdprt.communicator -1 "gather" over ["shard"] of [2] on gather

// -----

// Tests that a communicator goes over axes (communicator_c1).
// expected-error @+1 {{(communicator_c1)}}
fsdprt.communicator 0 "gather" over [] of [] on gather

// -----

// Tests that an axis has a size (communicator_c1).
// expected-error @+1 {{(communicator_c1)}}
fsdprt.communicator 0 "gather" over ["replicate", "shard"] of [2] on gather

// -----

// Tests that an axis has ranks (communicator_c1).
// expected-error @+1 {{(communicator_c1)}}
fsdprt.communicator 0 "gather" over ["shard"] of [0] on gather

// -----

// Tests that an axis is there once (communicator_c1).
// expected-error @+1 {{(communicator_c1)}}
fsdprt.communicator 0 "gather" over ["shard", "shard"] of [2, 2] on gather

// -----

// Tests that ranks can be counted (communicator_c1).
// expected-error @+1 {{(communicator_c1)}}
fsdprt.communicator 0 "gather" over ["a", "b"] of [65536, 65536] on gather

// -----

// Tests that a grid has blocks (launch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has a grid of 0 blocks of 32 threads, expected 1 or more, at most 1024 threads (launch_c2)}}
  %e = fsdprt.launch "add" @k0 extent 4 scratch 0 grid 0 x 32 on compute [] unit "" scope ""
}

// -----

// Tests that a block has as many threads as a GPU's (launch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{(launch_c2)}}
  %e = fsdprt.launch "add" @k0 extent 4 scratch 0 grid 1 x 2048 on compute [] unit "" scope ""
}

// -----

// Tests that a grid is whole (launch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has half a grid, expected blocks and threads (launch_c2)}}
  %e = "fsdprt.launch"() {args = [], blocks = 4 : i64, extent = 4 : i64, kernel = @k0, name = "add", scope = "", scratch_bytes = 0 : i64, stream = #fsdprt<stream compute>, unit = ""} : () -> !fsdprt.event
}

// -----

// Tests that every block has its scratch (launch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has less scratch than the 64 bytes of each block (launch_c1)}}
  %e = fsdprt.launch "add" @k0 extent 4 scratch 64 grid 3 x 32 on compute [#fsdprt.arg<scratch 0 [0 : 128]>] unit "" scope ""
}

// -----

// Tests that a collective's communicator has a number (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has communicator -1, expected 0 to 2147483647 (dispatch_c3)}}
  %e = fsdprt.all_reduce "sum" f32 count 1 by -1 on reduce [#fsdprt.arg<update 0 [0 : 4]>] unit "" scope ""
}

// -----

// Tests that an arena has bytes (arena_c1).
// expected-error @+1 {{has number 0 and -64 bytes, expected 0 or more (arena_c1)}}
fsdprt.arena 0 "state" bytes -64

// -----

// Tests that an arena has a number of 32 bits (arena_c1).
// expected-error @+1 {{(arena_c1)}}
fsdprt.arena 4294967296 "state" bytes 64

// -----

// Tests that a buffer has bytes (buffer_c1).
// expected-error @+1 {{has number 0 and -64 bytes at 0 of arena 0, expected 0 or more, an offset of -1 before it is assigned (buffer_c1)}}
fsdprt.buffer 0 "b" shard unit "" phase "" bytes -64 arena 0 at 0

// -----

// Tests that a buffer lies in an arena (buffer_c1).
// expected-error @+1 {{(buffer_c1)}}
fsdprt.buffer 0 "b" shard unit "" phase "" bytes 64 arena -1 at 0

// -----

// Tests that a buffer ends where numbers do (buffer_c1).
// expected-error @+1 {{(buffer_c1)}}
fsdprt.buffer 0 "b" shard unit "" phase "" bytes 64 arena 0 at 9223372036854775800

// -----

// Tests that phases hold dispatches alone, whatever has a stream (fsdprt_v1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{is not a dispatch on a stream (fsdprt_v1)}}
  fsdprt.arena 0 "state" bytes 64 {stream = #fsdprt<stream compute>}
}

// -----

// Tests that a dispatch has its arguments (dispatch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 0 arguments, expected 1 (dispatch_c1)}}
  %e = fsdprt.load "load" 0 line 0 on compute [] unit "" scope ""
}

// -----

// Tests that a dispatch has no others (dispatch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 1 arguments, expected 0 (dispatch_c1)}}
  %e = fsdprt.join "join" on compute [#fsdprt.arg<read 0 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that arguments are used as the dispatch does (dispatch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 0 is for read, expected write (dispatch_c1)}}
  %e = fsdprt.fill "fill" byte 0 on compute [#fsdprt.arg<read 0 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a store reads its line (dispatch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 0 is for write, expected read (dispatch_c1)}}
  %e = fsdprt.store "store" 0 line 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that an all_reduce updates its buffer (dispatch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 0 is for write, expected update (dispatch_c1)}}
  %e = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<write 1 [0 : 64]>, #fsdprt.arg<scratch 2 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a shard has the elements that are gathered (dispatch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 0 has 64 bytes, expected those of 17 elements of 'f32' (dispatch_c2)}}
  %e = fsdprt.all_gather "gather" f32 count 17 payload 0 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "" scope ""
}

// -----

// Tests that elements can be counted (dispatch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{(dispatch_c2)}}
  %e = fsdprt.all_gather "gather" f32 count 4611686018427387905 payload 0 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "" scope ""
}

// -----

// Tests that a constant fills its argument (dispatch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 0 has 8 bytes, expected those of 1 elements of 'f32' (dispatch_c2)}}
  %e = fsdprt.constant "one" dense<1.0> : tensor<f32> on compute [#fsdprt.arg<write 1 [0 : 8]>] unit "" scope ""
}

// -----

// Tests that a byte is one (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has byte 256, expected 0 to 255 (dispatch_c3)}}
  %e = fsdprt.fill "fill" byte 256 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that counts are not negative (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has a count of -1, expected 0 or more (dispatch_c3)}}
  %e = fsdprt.all_reduce "sum" f32 count -1 by 2 on reduce [#fsdprt.arg<update 1 [0 : 64]>, #fsdprt.arg<scratch 2 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that extents are not negative (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has an extent of -1, expected 0 or more (dispatch_c3)}}
  %e = fsdprt.launch "add" @k0 extent -1 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that payloads are not negative (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has a payload of -1, expected 0 or more (dispatch_c3)}}
  %e = fsdprt.all_gather "gather" f32 count 16 payload -1 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "" scope ""
}

// -----

// Tests that a unit has a number (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has unit number -1, expected 0 to 2147483647 (dispatch_c3)}}
  %e = fsdprt.load "load" -1 line 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a line has a number of 32 bits (dispatch_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has line 4294967296, expected 0 to 2147483647 (dispatch_c3)}}
  %e = fsdprt.store "store" 0 line 4294967296 on compute [#fsdprt.arg<read 0 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that the runtime knows the element type (dispatch_c4).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has element type 'i16', expected one of f32, f64, bf16, f16, i64, i32, i8 and i1 (dispatch_c4)}}
  %e = fsdprt.all_reduce "sum" i16 count 16 by 2 on reduce [#fsdprt.arg<update 1 [0 : 32]>, #fsdprt.arg<scratch 2 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a type has elements that are numbers (dispatch_c4).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has element type 'index', expected one of}}
  %e = fsdprt.all_gather "gather" index count 16 payload 0 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 128]>] unit "" scope ""
}

// -----

// Tests that integers of a constant have no sign (dispatch_c4).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has element type 'ui8', expected one of}}
  %e = fsdprt.constant "one" dense<1> : tensor<ui8> on compute [#fsdprt.arg<write 1 [0 : 1]>] unit "" scope ""
}

// -----

// Tests that a constant holds numbers (constant_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has a value of type 'tensor<1xcomplex<f32>>', expected dense numbers (constant_c1)}}
  %e = fsdprt.constant "one" dense<(1.0, 2.0)> : tensor<1xcomplex<f32>> on compute [#fsdprt.arg<write 1 [0 : 8]>] unit "" scope ""
}

// -----

// Tests that a constant is dense (constant_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{expected dense numbers (constant_c1)}}
  %e = fsdprt.constant "one" sparse<0, 1.0> : tensor<4xf32> on compute [#fsdprt.arg<write 1 [0 : 16]>] unit "" scope ""
}

// -----

// Tests that a copy keeps the bytes (copy_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{copies 64 bytes to 32 (copy_c1)}}
  %e = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 32]>] unit "" scope ""
}

// -----

// Tests that scratch comes last (launch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 0 is scratch, expected scratch last and where a worker needs it (launch_c1)}}
  %e = fsdprt.launch "add" @k0 extent 4 scratch 64 on compute [#fsdprt.arg<scratch 2 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that scratch is there where a worker needs it (launch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 1 is not scratch, expected scratch last and where a worker needs it (launch_c1)}}
  %e = fsdprt.launch "add" @k0 extent 4 scratch 64 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that scratch is enough for a worker (launch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has less scratch than the 128 bytes of one worker (launch_c1)}}
  %e = fsdprt.launch "add" @k0 extent 4 scratch 128 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>, #fsdprt.arg<scratch 2 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a line is shards (collective_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has a line of 96 bytes, expected a multiple of the shard's 64 (collective_c1)}}
  %e = fsdprt.all_gather "gather" f32 count 16 payload 0 by 0 on gather [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 1 [0 : 96]>] unit "" scope ""
}

// -----

// Tests that a reduce_scatter's scratch is a line (collective_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 64 bytes of scratch, expected those of its line (collective_c2)}}
  %e = fsdprt.reduce_scatter "reduce" f32 count 16 payload 0 by 1 on reduce [#fsdprt.arg<read 0 [0 : 128]>, #fsdprt.arg<write 1 [0 : 64]>, #fsdprt.arg<scratch 2 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that an all_reduce's scratch has an element for each rank (collective_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 32 bytes of scratch, expected at least those of its elements (collective_c2)}}
  %e = fsdprt.all_reduce "sum" f32 count 16 by 2 on reduce [#fsdprt.arg<update 1 [0 : 64]>, #fsdprt.arg<scratch 2 [0 : 32]>] unit "" scope ""
}

// -----

// Tests that a product has extents (gemm_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has batch [] of 4 x 0 x 4, expected extents of 1 or more and at most 4 of a batch (gemm_c1)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 0 x 4 batch [] strides [4, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a batch is as the descriptor holds it (gemm_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has batch [1, 1, 1, 1, 1] of 4 x 4 x 4}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [1, 1, 1, 1, 1] strides [0, 0, 0, 0, 0, 4, 1] [0, 0, 0, 0, 0, 4, 1] [0, 0, 0, 0, 0, 4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a batch has extents (gemm_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has batch [-2] of 4 x 4 x 4}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [-2] strides [0, 4, 1] [0, 4, 1] [0, 4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that every dimension has a stride (gemm_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has strides [1], expected 2 of 0 or more, one of the last two 1 (gemm_c2)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that strides are not negative (gemm_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has strides [-4, 1], expected 2 of 0 or more}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [-4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that rows or columns are dense (gemm_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has strides [4, 2], expected 2 of 0 or more, one of the last two 1 (gemm_c2)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 2] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that the product's rows are dense (gemm_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has column stride 4 of C, expected 1 (gemm_c2)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [1, 4] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that an operand has its elements (gemm_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 1 has 64 bytes, too few for its extents and strides (gemm_c3)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [5, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that the product has its elements (gemm_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 2 has 60 bytes, too few for its extents and strides (gemm_c3)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 60]>] unit "" scope ""
}

// -----

// Tests that elements of an operand can be counted (gemm_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{(gemm_c3)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4611686018427387904, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a residual is like the product (gemm_c3).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 3 has 32 bytes, too few for its extents and strides (gemm_c3)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] residual on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>, #fsdprt.arg<read 4 [0 : 32]>] unit "" scope ""
}

// -----

// Tests that a bias is a row (dispatch_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 3 has 64 bytes, expected those of 4 elements of 'f32' (dispatch_c2)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] bias on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>, #fsdprt.arg<read 4 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a product that adds to its result reads it (dispatch_c1).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 2 is for write, expected update (dispatch_c1)}}
  %e = fsdprt.gemm "product" f32 to f32 accumulate true 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that products are of f32, bf16 or f16 (gemm_c4).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{multiplies 'f64' to 'f64', expected f32, bf16 or f16, to the same or to f32 (gemm_c4)}}
  %e = fsdprt.gemm "product" f64 to f64 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that products are not narrower than their operands (gemm_c4).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{multiplies 'f32' to 'bf16', expected f32, bf16 or f16, to the same or to f32 (gemm_c4)}}
  %e = fsdprt.gemm "product" f32 to bf16 accumulate false 4 x 4 x 4 batch [] strides [4, 1] [4, 1] [4, 1] on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""
}

// -----

// Tests that a dispatch stands in a phase (dispatch_c5).
// expected-error @+1 {{stands outside of a phase (dispatch_c5)}}
%e = fsdprt.join "join" on compute [] unit "" scope ""

// -----

// Tests that a launch does, too (dispatch_c5).
// expected-error @+1 {{stands outside of a phase (dispatch_c5)}}
%e = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<write 1 [0 : 64]>] unit "" scope ""

// -----

// Tests that a constant is not larger than a program (constant_c2).
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 1099511627776 elements, expected at most 268435455 in the program itself (constant_c2)}}
  %e = fsdprt.constant "zeros" dense<0.0> : tensor<1099511627776xf32> on compute [#fsdprt.arg<write 1 [0 : 4398046511104]>] unit "" scope ""
}
