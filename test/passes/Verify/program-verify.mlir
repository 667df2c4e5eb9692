// RUN: fsdp-opt %s --program-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that a program that has what the runtime needs is accepted.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v1 rejects this: there are no phases.
// expected-error @+1 {{is no planned program: it has no phase that runs 'once' (program_v1); fsdp-compile --emit-ir writes one}}
module {}

// -----

// Tests that program_v1 rejects this: no phase trains.
// expected-error @+1 {{is no planned program: it has no phase that runs 'microbatch' (program_v1)}}
module {
  fsdprt.phase @init runs once {
    %1 = fsdprt.join "join" on compute [] unit "" scope ""
  }
}

// -----

// Tests that program_v2 rejects this: nothing takes the tokens.
// expected-error @+1 {{no buffer has the role of tokens [batch, seq] (program_v2)}}
module {
  fsdprt.phase @init runs once {
    %1 = fsdprt.join "join" on compute [] unit "" scope ""
  }
  fsdprt.phase @step runs microbatch {
    %1 = fsdprt.join "join" on compute [] unit "" scope ""
  }
}

// -----

// Tests that program_v2 rejects this: the runtime does not know the role.
// expected-error @+1 {{has role 'tokns' and a tensor type, expected a role that the runtime fills or reads}}
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokns", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v3 rejects this: a kernel is not there.
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{launches kernel @k0, which the program does not have (program_v3)}}
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 1 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v3 rejects this: a kernel has no code.
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{holds no kernel, expected a function of its name that returns the results of one train.kernel of its arguments (program_v3)}}
module @k0 {}
fsdprt.phase @init runs once {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 1 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v4 rejects this: a line has no shard.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
// expected-error @+1 {{has line 0, which is loaded 0 times, expected once (program_v4)}}
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v4 rejects this: a line is not loaded whole.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  // expected-error @+1 {{fills 32 bytes, expected the 64 of the line's shard (program_v4)}}
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 32]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v4 rejects this: a load names another unit than it numbers.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  // expected-error @+1 {{names line 0 of unit 0, 'h.0', which the program does not have (program_v4)}}
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "h.0" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v4 rejects this: a store names a line that the unit lacks.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  // expected-error @+1 {{names line 1 of unit 0, '(root)', which the program does not have (program_v4)}}
  %1 = fsdprt.store "store" 0 line 1 on compute [#fsdprt.arg<read 0 [0 : 64]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v5 rejects this: an arena's number is not its place.
// expected-error @+1 {{has number 1, expected its place among the arenas, 0 (program_v5)}}
fsdprt.arena 1 "state" bytes 128 persistent
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v2 rejects this: a role's tensor is not the buffer.
// expected-error @+1 {{of role 'tokens' has 64 bytes of phase '' for a 'tensor<2x8xi64>', expected those of its elements and no phase (program_v2)}}
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x8xi64>}
fsdprt.phase @init runs once {
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v2 rejects this: two buffers have one role.
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{has role 'tokens' as another buffer has (program_v2)}}
fsdprt.buffer 2 "more" input unit "" phase "" bytes 64 arena 0 at 128 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v6 rejects this: a constant parameter does not fit the manifest.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
// expected-error @+1 {{has data of type 'tensor<1099511627776xf32>', expected it dense, of at most 268435456 elements (program_v6)}}
onnx.parameter @zeros : tensor<1099511627776xf32> {buffer, data = dense<0.0> : tensor<1099511627776xf32>}
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v7 rejects this: two ranks add what one has scratch for.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.communicator 0 "scalar" over ["shard"] of [2] on reduce
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "sum" activation unit "" phase "step" bytes 4 arena 0 at 128
fsdprt.buffer 3 "scratch" scratch unit "" phase "step" bytes 4 arena 0 at 192
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 4 bytes of scratch, expected 8 to sum 8 bytes of all ranks (program_v7)}}
  %1 = fsdprt.all_reduce "all_reduce" f32 count 1 by 0 on reduce [#fsdprt.arg<update 2 [0 : 4]>, #fsdprt.arg<scratch 3 [0 : 4]>] unit "" scope ""
  %2 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v9 rejects this: a launch lacks a result.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 1 arguments for the 2 operands and results of @k0 (program_v9)}}
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v9 rejects this: a result is larger than its argument.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{argument 1, #fsdprt.arg<write 2[0 : 32]>, is a result of type 'tensor<8xi64>' of @k0, expected its bytes and use (program_v9)}}
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 32]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v9 rejects this: an operand is only written.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{is an operand of type 'tensor<16xf32>' of @k0, expected its bytes and use (program_v9)}}
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<write 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v5 rejects this: a communicator's number is not its place.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
// expected-error @+1 {{has number 1, expected its place among the communicators, 0 (program_v5)}}
fsdprt.communicator 1 "gather" over ["shard"] of [2] on gather
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v5 rejects this: two communicators have one name.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.communicator 0 "gather" over ["shard"] of [2] on gather
// expected-error @+1 {{has name 'gather' as another one has (program_v5)}}
fsdprt.communicator 1 "gather" over ["shard"] of [2] on reduce
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v8 rejects this: a communicator goes over no axis of the mesh.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
// expected-error @+1 {{goes over axis 'shards' of 2 ranks, expected one of #fsdp.mesh<"shard" = 2> (program_v8)}}
fsdprt.communicator 0 "gather" over ["shards"] of [2] on gather
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v8 rejects this: an axis has another size.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
// expected-error @+1 {{(program_v8)}}
fsdprt.communicator 0 "gather" over ["shard"] of [4] on gather
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "add" @k0 extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
module @k0 {
  func.func @k0(%x: tensor<16xf32>) -> tensor<8xi64> {
    %0 = train.kernel "add"(%x) : (tensor<16xf32>) -> tensor<8xi64> {
    ^bb0(%a: tensor<16xf32>):
      %y = onnx.slice %a from [0] by [1] : tensor<16xf32> -> tensor<8xf32>
      %z = onnx.cast %y : tensor<8xf32> -> tensor<8xi64>
      train.yield %z : tensor<8xi64>
    }
    return %0 : tensor<8xi64>
  }
}

// -----

// Tests that program_v7 rejects this: NCCL sums in memory of its own.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
module attributes {fsdprt.target = #fsdprt.cuda<"sm_90">} {
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.communicator 0 "scalar" over ["shard"] of [2] on reduce
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "sum" activation unit "" phase "step" bytes 4 arena 0 at 128
fsdprt.buffer 3 "scratch" scratch unit "" phase "step" bytes 4 arena 0 at 192
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{has 4 bytes of scratch, expected 0 to sum 8 bytes of all ranks (program_v7)}}
  %1 = fsdprt.all_reduce "all_reduce" f32 count 1 by 0 on reduce [#fsdprt.arg<update 2 [0 : 4]>, #fsdprt.arg<scratch 3 [0 : 4]>] unit "" scope ""
  %2 = fsdprt.join "join" on compute [] unit "" scope ""
}
}

// -----

// Tests that a GPU is one that is known.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
// expected-error @+1 {{is planned for GPUs of architecture 'sm_9', expected one of sm_80, sm_90, sm_100, simulated}}
module attributes {fsdprt.target = #fsdprt.cuda<"sm_9">} {
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "w" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.communicator 0 "scalar" over ["shard"] of [2] on reduce
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "sum" activation unit "" phase "step" bytes 4 arena 0 at 128
fsdprt.buffer 3 "scratch" scratch unit "" phase "step" bytes 4 arena 0 at 192
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %9 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.all_reduce "all_reduce" f32 count 1 by 0 on reduce [#fsdprt.arg<update 2 [0 : 4]>, #fsdprt.arg<scratch 3 [0 : 4]>] unit "" scope ""
  %2 = fsdprt.join "join" on compute [] unit "" scope ""
}
}

// -----

// Tests that program_v9 rejects this on a GPU, whose kernels move 16 bytes at
// once: an argument begins in their middle.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
module attributes {fsdprt.target = #fsdprt.cuda<"sm_90">} {
  onnx.parameter @w : tensor<4xf32>
  fsdp.unit @"(root)" root lines [#line]
  fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
  fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
  fsdprt.buffer 2 "y" activation unit "" phase "step" bytes 64 arena 0 at 128
  fsdprt.phase @init runs once {
    %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
    %1 = fsdprt.join "join" on compute [] unit "" scope ""
  }
  fsdprt.phase @step runs microbatch {
    %0 = fsdprt.launch "neg" @k0 extent 4 scratch 0 grid 1 x 32 on compute [#fsdprt.arg<read 0 [16 : 16]>, #fsdprt.arg<write 2 [16 : 16]>] unit "" scope ""
    // expected-error @+1 {{argument 1, #fsdprt.arg<write 2[8 : 16]>, begins at byte 136 of its arena, expected a multiple of 16 (program_v9)}}
    %1 = fsdprt.launch "neg" @k0 extent 4 scratch 0 grid 1 x 32 on compute [#fsdprt.arg<read 0 [16 : 16]>, #fsdprt.arg<write 2 [8 : 16]>] unit "" scope ""
    %2 = fsdprt.join "join" on compute [] unit "" scope ""
  }
  module @k0 {
    func.func @k0(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = train.kernel "neg"(%x) : (tensor<4xf32>) -> tensor<4xf32> {
      ^bb0(%a: tensor<4xf32>):
        %y = onnx.neg %a : tensor<4xf32> -> tensor<4xf32>
        train.yield %y : tensor<4xf32>
      }
      return %0 : tensor<4xf32>
    }
  }
}
