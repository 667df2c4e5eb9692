module attributes {onnx.model = "model.onnx", train.ignore_index = -100 : i64, train.labels_shift = "data", train.token_rows = 7 : i64, train.vocab_size = 7 : i64} {
  fsdprt.arena 0 "state" bytes 584 persistent
  fsdprt.arena 1 "work" bytes 640
  fsdprt.communicator 0 "gather" over ["shard"] of [2] on  gather
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
  fsdp.unit @"(root)" root lines [#fsdp.line<layout = <flat over ["shard"] of #fsdp.mesh<"shard" = 2>, [tensor<7x4xf32> at 0, tensor<7x4xf32> at 32]>, parameters = ["wte.weight", "head.weight"], ranges = [<end = 60, rule = #train.sgd<momentum = 0.0, decay = 0.0>>]>]
  fsdprt.phase @init runs once {
    %0 = fsdprt.load "load" 0 line 0 on  compute [#fsdprt.arg<write 0[0 : 128]>] unit "(root)" scope ""
    %1 = fsdprt.join "join" on  compute [] unit "" scope ""
  }
  fsdprt.phase @step runs microbatch {
    %0 = fsdprt.all_gather "all_gather" f32 count 32 payload 224 by 0 on  gather [#fsdprt.arg<read 0[0 : 128]>, #fsdprt.arg<write 10[0 : 256]>] unit "(root)" scope ""
    %1 = fsdprt.launch "gather" @k0 extent 8 scratch 0 on  compute [#fsdprt.arg<read 10[0 : 112]>, #fsdprt.arg<read 1[0 : 64]>, #fsdprt.arg<write 11[0 : 128]>] wait(%0) unit "" scope "wte"
    %2 = fsdprt.join "join" on  compute [] unit "" scope ""
  }
  module @k0 {
    func.func @k0(%arg0: tensor<7x4xf32>, %arg1: tensor<2x4xi64>) -> tensor<2x4x4xf32> {
      %0 = train.kernel "gather"(%arg0, %arg1) {scope = "wte"} : (tensor<7x4xf32>, tensor<2x4xi64>) -> tensor<2x4x4xf32> {
      ^bb0(%arg2: tensor<7x4xf32>, %arg3: tensor<2x4xi64>):
        %y = onnx.gather %arg2, %arg3 {scope = "wte"} : tensor<7x4xf32>, tensor<2x4xi64> -> tensor<2x4x4xf32>
        train.yield %y : tensor<2x4x4xf32>
      }
      return %0 : tensor<2x4x4xf32>
    }
  }
}
