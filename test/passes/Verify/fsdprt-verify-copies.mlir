// RUN: fsdp-opt %s --fsdprt-verify-copies --split-input-file --verify-diagnostics -o %t.mlir

// Tests that these are accepted: a result is handed over, rows are taken of a
// table by token and by position, a gradient is computed, and a checkpoint may
// be copied.
fsdprt.buffer 0 "table" gathered unit "" phase "step" bytes 64 arena 1 at 0
fsdprt.buffer 1 "ids" input unit "" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 2 "x" activation unit "" phase "step" bytes 64 arena 1 at 64
fsdprt.buffer 3 "dw" gradient unit "" phase "step" bytes 64 arena 1 at 128
fsdprt.buffer 4 "loss" scalar unit "" phase "" bytes 4 arena 0 at 64
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "gather" @move extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<read 1 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
  %1 = fsdprt.launch "slice" @move extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 32]>] unit "" scope ""
  %2 = fsdprt.launch "add" @compute extent 4 scratch 0 on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] unit "" scope ""
  %3 = fsdprt.copy "result" on compute [#fsdprt.arg<read 2 [0 : 4]>, #fsdprt.arg<write 4 [0 : 4]>] unit "" scope ""
}
fsdprt.phase @export runs save {
  %0 = fsdprt.copy "copy" on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 64]>] unit "" scope ""
}
module @move {
  func.func @move(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %0 = train.kernel "move"(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32> {
    ^bb0(%a: tensor<4x4xf32>):
      %y = onnx.transpose %a [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
      train.yield %y : tensor<4x4xf32>
    }
    return %0 : tensor<4x4xf32>
  }
}
module @compute {
  func.func @compute(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %0 = train.kernel "compute"(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32> {
    ^bb0(%a: tensor<4x4xf32>):
      %y = onnx.add %a, %a : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
      train.yield %y : tensor<4x4xf32>
    }
    return %0 : tensor<4x4xf32>
  }
}

// -----

// Tests that copies_v1 rejects this: a gradient is copied into its line.
fsdprt.buffer 2 "x" activation unit "" phase "step" bytes 64 arena 1 at 64
fsdprt.buffer 3 "dw" gradient unit "" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{'copy_gradient' copies 32 bytes of buffer 3, of kind gradient (copies_v1)}}
  %0 = fsdprt.copy "copy_gradient" on compute [#fsdprt.arg<read 2 [0 : 32]>, #fsdprt.arg<write 3 [0 : 32]>] unit "" scope ""
}

// -----

// Tests that copies_v2 rejects this: a whole parameter is only cast.
fsdprt.buffer 0 "table" gathered unit "" phase "step" bytes 64 arena 1 at 0
fsdprt.buffer 2 "x" activation unit "" phase "step" bytes 128 arena 1 at 64
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{'cast' only moves or casts parameters or gradients: it writes 128 bytes of buffer 2, of kind activation (copies_v2)}}
  %0 = fsdprt.launch "cast" @cast extent 4 scratch 0 on compute [#fsdprt.arg<read 0 [0 : 64]>, #fsdprt.arg<write 2 [0 : 128]>] unit "" scope ""
}
module @cast {
  func.func @cast(%x: tensor<4x8xbf16>) -> tensor<4x8xf32> {
    %0 = train.kernel "cast"(%x) : (tensor<4x8xbf16>) -> tensor<4x8xf32> {
    ^bb0(%a: tensor<4x8xbf16>):
      %y = onnx.cast %a : tensor<4x8xbf16> -> tensor<4x8xf32>
      train.yield %y : tensor<4x8xf32>
    }
    return %0 : tensor<4x8xf32>
  }
}

// -----

// Tests that copies_v2 rejects this: a gradient is transposed where the
// reduction reads it.
fsdprt.buffer 2 "x" activation unit "" phase "step" bytes 64 arena 1 at 64
fsdprt.buffer 3 "dw" gradient unit "" phase "step" bytes 64 arena 1 at 128
fsdprt.phase @step runs microbatch {
  // expected-error @+1 {{'transpose' only moves or casts parameters or gradients: it writes 64 bytes of buffer 3, of kind gradient (copies_v2)}}
  %0 = fsdprt.launch "transpose" @move extent 4 scratch 0 on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 3 [0 : 64]>] unit "" scope ""
}
module @move {
  func.func @move(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %0 = train.kernel "move"(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32> {
    ^bb0(%a: tensor<4x4xf32>):
      %y = onnx.transpose %a [1, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
      train.yield %y : tensor<4x4xf32>
    }
    return %0 : tensor<4x4xf32>
  }
}
