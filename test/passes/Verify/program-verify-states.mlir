// RUN: fsdp-opt %s --program-verify --split-input-file --verify-diagnostics -o %t.mlir

// Tests that states of a line are accepted, in any type.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v", type = tensor<16xf32>}
fsdprt.buffer 3 "v" optimizer unit "(root)" phase "" bytes 32 arena 0 at 192 {line = 0 : i64, state = "m", type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: the optimizer keeps what no line has.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of kind optimizer is no line's state, expected the state's name, its line's number in the unit and a tensor type (program_v10)}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: the unit has no such line.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{is no line's state}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 1 : i64, state = "v", type = tensor<16xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: it is of another unit, which is not there.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{is no line's state}}
fsdprt.buffer 2 "v" optimizer unit "h.0" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v", type = tensor<16xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: a tensor's name in a checkpoint would be cut there.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{is no line's state}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v/w", type = tensor<16xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: it has fewer elements than the shard.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of state 'v' has 64 bytes of phase '' for a 'tensor<8xf32>', expected those of the 16 elements of its line's shard}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v", type = tensor<8xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: moments of rows and columns are not those of a 2 x 2 matrix.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<2x2xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.adafactor<beta2_decay = -0.8, eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>>]>
onnx.parameter @w : tensor<2x2xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of state 'factors' has 12 bytes of phase '' for a 'tensor<3xf32>', expected those of the 4 elements of its line's factored moments}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 12 arena 0 at 128 {line = 0 : i64, state = "factors", type = tensor<3xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: the rules round it to bf16, as wide as f16.
#mesh = #fsdp.mesh<"shard" = 2>
#rule = #train.rounded<rule = #train.lion<beta1 = 0.9, beta2 = 0.99, decay = 0.0>, type = bf16>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #rule>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of state 'exp_avg' has elements of 'f16', expected 'bf16', which its line's rules keep it in (program_v10)}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 32 arena 0 at 128 {line = 0 : i64, state = "exp_avg", type = tensor<16xf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: its bytes are not those of its type.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of state 'v' has 64 bytes of phase '' for a 'tensor<16xbf16>'}}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v", type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: the line has two of one name.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v", type = tensor<16xf32>}
// expected-error @+1 {{is state 'v' of its line as another buffer is (program_v10)}}
fsdprt.buffer 3 "v" optimizer unit "(root)" phase "" bytes 64 arena 0 at 192 {line = 0 : i64, state = "v", type = tensor<16xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: nobody would take it for the optimizer's.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{is a state of kind shard, expected optimizer (program_v10)}}
fsdprt.buffer 2 "v" shard unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, state = "v", type = tensor<16xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that a copy to gather is accepted.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 128 {line = 0 : i64, type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: what is no copy of a line: it has no type.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of kind shard is loaded by no phase, and is no copy of a line's shard either}}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 128 {line = 0 : i64}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: no number of a line.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of kind shard is loaded by no phase, and is no copy of a line's shard either}}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 128 {type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: the unit has no such line.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of kind shard is loaded by no phase, and is no copy of a line's shard either}}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 128 {line = 1 : i64, type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: another number of elements.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of kind shard is loaded by no phase, and is no copy of a line's shard either}}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 128 {line = 0 : i64, type = tensor<8xf32>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: other bytes than its type.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
// expected-error @+1 {{of kind shard is loaded by no phase, and is no copy of a line's shard either}}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 64 arena 0 at 128 {line = 0 : i64, type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}

// -----

// Tests that program_v10 rejects this: a line has two copies.
#mesh = #fsdp.mesh<"shard" = 2>
#line = #fsdp.line<layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>, parameters = ["w"], ranges = [#train.range<end = 4, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>
onnx.parameter @w : tensor<4xf32>
fsdp.unit @"(root)" root lines [#line]
fsdprt.buffer 0 "p" shard unit "(root)" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 64 {role = "tokens", type = tensor<2x4xi64>}
fsdprt.buffer 2 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 128 {line = 0 : i64, type = tensor<16xbf16>}
// expected-error @+1 {{is a copy of its line's shard as another buffer is (program_v10)}}
fsdprt.buffer 3 "gather source" shard unit "(root)" phase "" bytes 32 arena 0 at 160 {line = 0 : i64, type = tensor<16xbf16>}
fsdprt.phase @init runs once {
  %0 = fsdprt.load "load" 0 line 0 on compute [#fsdprt.arg<write 0 [0 : 64]>] unit "(root)" scope ""
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
fsdprt.phase @step runs microbatch {
  %1 = fsdprt.join "join" on compute [] unit "" scope ""
}
