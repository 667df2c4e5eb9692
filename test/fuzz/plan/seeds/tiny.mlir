module attributes {onnx.model = "model.onnx", train.ignore_index = -100 : i64, train.labels_shift = "data", train.token_rows = 7 : i64, train.vocab_size = 7 : i64} {
  fsdprt.arena 0 "state" bytes 584 persistent
  fsdprt.arena 1 "work" bytes 640
  fsdprt.buffer 0 "(root) parameters"  shard unit "(root)" phase "" bytes 128 arena 0 at 0
  fsdprt.buffer 1 "input_ids"  input unit "" phase "" bytes 64 arena 0 at 128 {role = "tokens", type = tensor<2x4xi64>}
  fsdprt.buffer 2 "labels"  input unit "" phase "" bytes 64 arena 0 at 192 {role = "labels", type = tensor<2x4xi64>}
  fsdprt.buffer 3 "lr"  scalar unit "" phase "" bytes 4 arena 0 at 256 {role = "lr", type = tensor<f32>}
  fsdprt.buffer 4 "step"  scalar unit "" phase "" bytes 4 arena 0 at 320 {role = "step", type = tensor<f32>}
  fsdprt.buffer 5 "loss"  scalar unit "" phase "" bytes 4 arena 0 at 384 {role = "loss", type = tensor<f32>}
  fsdprt.buffer 6 "grad_norm"  scalar unit "" phase "" bytes 4 arena 0 at 448 {role = "grad_norm", type = tensor<f32>}
  fsdprt.buffer 7 "valid_tokens"  scalar unit "" phase "" bytes 4 arena 0 at 512 {role = "valid_tokens", type = tensor<f32>}
  fsdprt.buffer 8 "rank"  scalar unit "" phase "" bytes 8 arena 0 at 576 {role = "rank", type = tensor<i64>}
  fsdprt.buffer 10 "(root) gathered"  gathered unit "(root)" phase "step" bytes 256 arena 1 at 0
  fsdprt.buffer 11 "gather"  activation unit "" phase "step" bytes 128 arena 1 at 512
  onnx.parameter @wte.weight : tensor<7x4xf32> {scope = "wte", source = {bytes = 112 : i64, file = "model.onnx", file_bytes = 4043 : i64, offset = 2555 : i64, sum = 8266866451653992393 : i64}}
  onnx.parameter @head.weight : tensor<7x4xf32> {scope = "head", source = {bytes = 112 : i64, file = "model.onnx", file_bytes = 4043 : i64, offset = 2691 : i64, sum = 7692900981799574945 : i64}}
  fsdp.unit @"(root)" root lines [#fsdp.line<layout = <flat over ["shard"] of #fsdp.mesh<"shard" = 2>, [tensor<7x4xf32> at 0, tensor<7x4xf32> at 32]>, parameters = ["wte.weight", "head.weight"], trainable = true, decay_elements = 0>]
  fsdprt.phase @init runs "once" {
    %0 = fsdprt.load "load" 0 line 0 on  compute [#fsdprt.arg<write 0[0 : 128]>] unit "(root)" scope ""
    %1 = fsdprt.join "join" on  compute [] unit "" scope ""
  }
  fsdprt.phase @step runs "step" {
    %0 = fsdprt.all_gather "all_gather" f32 count 32 payload 224 on  gather [#fsdprt.arg<read 0[0 : 128]>, #fsdprt.arg<write 10[0 : 256]>] unit "(root)" scope ""
    %1 = fsdprt.launch "gather" @k0 extent 8 scratch 0 on  compute [#fsdprt.arg<read 10[0 : 112]>, #fsdprt.arg<read 1[0 : 64]>, #fsdprt.arg<write 11[0 : 128]>] wait(%0) unit "" scope "wte"
    %2 = fsdprt.join "join" on  compute [] unit "" scope ""
  }
  module @k0 {
    llvm.func internal @k0_body(%arg0: !llvm.ptr, %arg1: !llvm.ptr, %arg2: !llvm.ptr, %arg3: i64, %arg4: i64) -> i32 attributes {passthrough = ["alwaysinline"]} {
      %0 = llvm.mlir.constant(0 : i32) : i32
      %1 = llvm.mlir.constant(2 : i32) : i32
      %2 = llvm.mlir.constant(7 : index) : i64
      %3 = llvm.mlir.constant(1 : index) : i64
      %4 = llvm.mlir.constant(4 : index) : i64
      %5 = llvm.mlir.constant(0 : index) : i64
      %6 = llvm.alloca %3 x i32 : (i64) -> !llvm.ptr
      llvm.store %0, %6 : i32, !llvm.ptr
      llvm.br ^bb1(%arg3 : i64)
    ^bb1(%7: i64):  // 2 preds: ^bb0, ^bb7
      %8 = llvm.icmp "slt" %7, %arg4 : i64
      llvm.cond_br %8, ^bb2, ^bb8
    ^bb2:  // pred: ^bb1
      %9 = llvm.getelementptr %arg1[%7] : (!llvm.ptr, i64) -> !llvm.ptr, i64
      %10 = llvm.load %9 : !llvm.ptr -> i64
      %11 = llvm.icmp "uge" %10, %2 : i64
      llvm.cond_br %11, ^bb3, ^bb4
    ^bb3:  // pred: ^bb2
      llvm.store %1, %6 : i32, !llvm.ptr
      llvm.br ^bb4
    ^bb4:  // 2 preds: ^bb2, ^bb3
      %12 = llvm.select %11, %5, %10 : i1, i64
      llvm.br ^bb5(%5 : i64)
    ^bb5(%13: i64):  // 2 preds: ^bb4, ^bb6
      %14 = llvm.icmp "slt" %13, %4 : i64
      llvm.cond_br %14, ^bb6, ^bb7
    ^bb6:  // pred: ^bb5
      %15 = llvm.mul %12, %4 : i64
      %16 = llvm.add %15, %13 : i64
      %17 = llvm.getelementptr %arg0[%16] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      %18 = llvm.load %17 : !llvm.ptr -> f32
      %19 = llvm.mul %7, %4 : i64
      %20 = llvm.add %19, %13 : i64
      %21 = llvm.getelementptr %arg2[%20] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      llvm.store %18, %21 : f32, !llvm.ptr
      %22 = llvm.add %13, %3 : i64
      llvm.br ^bb5(%22 : i64)
    ^bb7:  // pred: ^bb5
      %23 = llvm.add %7, %3 : i64
      llvm.br ^bb1(%23 : i64)
    ^bb8:  // pred: ^bb1
      %24 = llvm.load %6 : !llvm.ptr -> i32
      llvm.return %24 : i32
    }
    llvm.func @k0(%arg0: !llvm.ptr, %arg1: !llvm.ptr, %arg2: i64, %arg3: i64) -> i32 {
      %0 = llvm.getelementptr %arg0[0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %1 = llvm.load %0 : !llvm.ptr -> !llvm.ptr
      %2 = llvm.getelementptr %arg0[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %3 = llvm.load %2 : !llvm.ptr -> !llvm.ptr
      %4 = llvm.getelementptr %arg0[2] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %5 = llvm.load %4 : !llvm.ptr -> !llvm.ptr
      %6 = llvm.call @k0_body(%1, %3, %5, %arg2, %arg3) : (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64) -> i32
      llvm.return %6 : i32
    }
  }
}