// RUN: fsdp-opt %s --kernel-form-groups --convert-fsdp-to-fsdprt --plan-assign-offsets --fsdprt-verify --split-input-file | FileCheck %s

// Tests that attention on a GPU is products of the library over blocks of rows:
// 4 rows of q and then 2 (1 KiB of scores on the simulator), causal blocks end
// with the last column that a row sees, and 2 heads of q share one of k and v.
// The gradient begins with the last block, whose sums are written and not added
// to.
// CHECK-DAG: fsdprt.buffer [[S:[0-9]+]] "attention scores" scratch unit "" phase "step" bytes 768
// CHECK-DAG: fsdprt.buffer [[X:[0-9]+]] "attention" activation unit "" phase "step" bytes 192
// CHECK-DAG: fsdprt.buffer [[GS:[0-9]+]] "attention_grad scores" scratch unit "" phase "step" bytes 768
// CHECK-DAG: fsdprt.buffer [[DP:[0-9]+]] "attention_grad probabilities' gradients" scratch unit "" phase "step" bytes 768
// CHECK-LABEL: fsdprt.phase @step
// CHECK: fsdprt.gemm "attention_scores" f32 to f32 accumulate false 4 x 6 x 3 batch [4, 2] strides [36, 18, 3, 1] [24, 0, 1, 3] [48, 24, 6, 1] on compute [#fsdprt.arg<read [[Q:[0-9]+]][0 : 552]>, #fsdprt.arg<read [[K:[0-9]+]][0 : 360]>, #fsdprt.arg<write [[S]][0 : 768]>
// CHECK-NEXT: fsdprt.launch "attention_rows" [[FIRST:@k[0-9]+]] extent 32 {{.*}} on compute [#fsdprt.arg<read [[S]][0 : 768]>, #fsdprt.arg<write [[S]][0 : 768]>, #fsdprt.arg<write [[MAX:[0-9]+]][0 : 128]>, #fsdprt.arg<write [[SUM:[0-9]+]][0 : 128]>]
// CHECK-NEXT: fsdprt.gemm "attention_values" f32 to f32 accumulate false 4 x 5 x 6 batch [4, 2] strides [48, 24, 6, 1] [40, 0, 5, 1] [60, 30, 5, 1] on compute [#fsdprt.arg<read [[S]][0 : 768]>, #fsdprt.arg<read [[V:[0-9]+]][0 : 600]>, #fsdprt.arg<write [[Y:[0-9]+]][0 : 920]>
// CHECK-NEXT: fsdprt.gemm "attention_scores" f32 to f32 accumulate false 2 x 8 x 3 batch [4, 2] {{.*}} on compute [#fsdprt.arg<read [[Q]][48 : 528]>, #fsdprt.arg<read [[K]][0 : 384]>, #fsdprt.arg<write [[S]][0 : 512]>
// CHECK-NEXT: fsdprt.launch "attention_rows" [[SECOND:@k[0-9]+]] extent 16 {{.*}}#fsdprt.arg<write [[MAX]][128 : 64]>, #fsdprt.arg<write [[SUM]][128 : 64]>]
// CHECK-NEXT: fsdprt.gemm "attention_values" {{.*}} 2 x 5 x 8 {{.*}}#fsdprt.arg<write [[Y]][80 : 880]>
// CHECK-NEXT: fsdprt.gemm "recompute_attention_grad_scores" {{.*}} 2 x 8 x 3 {{.*}}#fsdprt.arg<write [[GS]][0 : 512]>
// CHECK-NEXT: fsdprt.gemm "attention_grad_probabilities" f32 to f32 accumulate false 2 x 8 x 5 {{.*}}#fsdprt.arg<write [[DP]][0 : 512]>
// CHECK-NEXT: fsdprt.launch "attention_grad_rows" {{.*}} on compute [#fsdprt.arg<read [[GS]][0 : 512]>, #fsdprt.arg<read [[MAX]][128 : 64]>, #fsdprt.arg<read [[SUM]][128 : 64]>, #fsdprt.arg<read [[DP]][0 : 512]>, #fsdprt.arg<write [[GS]][0 : 512]>, #fsdprt.arg<write [[DP]][0 : 512]>]
// CHECK-NEXT: fsdprt.gemm "attention_grad_values" f32 to f32 accumulate false 8 x 5 x 2 batch [4] strides [32, 1, 8] [60, 5, 1] [40, 5, 1] {{.*}}#fsdprt.arg<write [[DV:[0-9]+]][0 : 640]>
// CHECK-NEXT: fsdprt.gemm "attention_grad_values" f32 to f32 accumulate true 8 x 5 x 2 batch [4] {{.*}}#fsdprt.arg<read [[GS]][64 : 448]>, {{.*}}#fsdprt.arg<update [[DV]][0 : 640]>
// CHECK-NEXT: fsdprt.gemm "attention_grad_keys" f32 to f32 accumulate false 8 x 3 x 2
// CHECK-NEXT: fsdprt.gemm "attention_grad_keys" f32 to f32 accumulate true 8 x 3 x 2
// CHECK-NEXT: fsdprt.gemm "attention_grad_queries" f32 to f32 accumulate false 2 x 3 x 8
// CHECK-NEXT: fsdprt.gemm "recompute_attention_grad_scores" {{.*}} 4 x 6 x 3
// CHECK-NEXT: fsdprt.gemm "attention_grad_probabilities" {{.*}} 4 x 6 x 5
// CHECK-NEXT: fsdprt.launch "attention_grad_rows"
// CHECK-NEXT: fsdprt.gemm "attention_grad_values" f32 to f32 accumulate true 6 x 5 x 4 {{.*}}#fsdprt.arg<update [[DV]][0 : 600]>
// CHECK-NEXT: fsdprt.gemm "attention_grad_values" f32 to f32 accumulate true 6 x 5 x 4
// CHECK-NEXT: fsdprt.gemm "attention_grad_keys" f32 to f32 accumulate true 6 x 3 x 4
// CHECK-NEXT: fsdprt.gemm "attention_grad_keys" f32 to f32 accumulate true 6 x 3 x 4
// CHECK-NEXT: fsdprt.gemm "attention_grad_queries" f32 to f32 accumulate false 4 x 3 x 6
// CHECK-NOT: attention
// CHECK-LABEL: module @k
module attributes {fsdprt.target = #fsdprt.cuda<"simulated">} {
  func.func @init() {
    return
  }
  func.func @step(%iq: tensor<2x4x6x3xi64> {train.role = "q"}, %ik: tensor<2x2x8x3xi64> {train.role = "k"},
                  %iv: tensor<2x2x8x5xi64> {train.role = "v"}, %ig: tensor<2x4x6x5xi64> {train.role = "g"})
      -> (tensor<2x4x6x5xf32> {train.role = "y"}, tensor<2x4x6x3xf32> {train.role = "dq"},
          tensor<2x2x8x3xf32> {train.role = "dk"}, tensor<2x2x8x5xf32> {train.role = "dv"}) {
    %q = onnx.cast %iq : tensor<2x4x6x3xi64> -> tensor<2x4x6x3xf32>
    %k = onnx.cast %ik : tensor<2x2x8x3xi64> -> tensor<2x2x8x3xf32>
    %v = onnx.cast %iv : tensor<2x2x8x5xi64> -> tensor<2x2x8x5xf32>
    %g = onnx.cast %ig : tensor<2x4x6x5xi64> -> tensor<2x4x6x5xf32>
    %y, %m, %s = onnx.attention %q, %k, %v scale 0.5 {causal} : (tensor<2x4x6x3xf32>, tensor<2x2x8x3xf32>, tensor<2x2x8x5xf32>) -> (tensor<2x4x6x5xf32>, tensor<2x4x6xf32>, tensor<2x4x6xf32>)
    %dq, %dk, %dv = train.attention_grad %q, %k, %v saved %m, %s grad %g scale 0.5 {causal} : (tensor<2x4x6x3xf32>, tensor<2x2x8x3xf32>, tensor<2x2x8x5xf32>, tensor<2x4x6xf32>, tensor<2x4x6xf32>, tensor<2x4x6x5xf32>) -> (tensor<2x4x6x3xf32>, tensor<2x2x8x3xf32>, tensor<2x2x8x5xf32>)
    return %y, %dq, %dk, %dv : tensor<2x4x6x5xf32>, tensor<2x4x6x3xf32>, tensor<2x2x8x3xf32>, tensor<2x2x8x5xf32>
  }
  func.func @export() {
    return
  }
}

// -----

// Tests that in bf16 scores are f32 and factors bf16, that y, and dk and dv of
// several blocks, are summed in f32 and rounded once, and that kernels get the
// mask.
// CHECK-LABEL: fsdprt.phase @step
// CHECK: fsdprt.gemm "attention_scores" bf16 to f32 {{.*}} 4 x 8 x 3
// CHECK-NEXT: fsdprt.launch "attention_rows" {{.*}} on compute [#fsdprt.arg<read {{[0-9]+}}[0 : 1024]>, #fsdprt.arg<read [[M:[0-9]+]][0 : 24]>, #fsdprt.arg<write {{[0-9]+}}[0 : 512]>
// CHECK-NEXT: fsdprt.gemm "attention_values" bf16 to f32 {{.*}}#fsdprt.arg<write [[O:[0-9]+]][0 : 552]>
// CHECK: fsdprt.launch "attention_rows" {{.*}}#fsdprt.arg<write [[SUM:[0-9]+]][128 : 64]>]
// CHECK-NEXT: fsdprt.gemm "attention_values" bf16 to f32 {{.*}}#fsdprt.arg<write [[O]][48 : 528]>
// CHECK-NEXT: fsdprt.launch "attention_divide" {{.*}} on compute [#fsdprt.arg<read [[O]][0 : 576]>, #fsdprt.arg<read [[SUM]][0 : 192]>, #fsdprt.arg<write {{[0-9]+}}[0 : 288]>]
// CHECK: fsdprt.launch "attention_grad_rows" {{.*}}#fsdprt.arg<read [[M]][0 : 24]>, #fsdprt.arg<write {{[0-9]+}}[0 : 256]>, #fsdprt.arg<write {{[0-9]+}}[0 : 256]>]
// CHECK-NEXT: fsdprt.gemm "attention_grad_values" bf16 to f32 accumulate false
// CHECK-NEXT: fsdprt.gemm "attention_grad_keys" bf16 to f32 accumulate false
// CHECK-NEXT: fsdprt.gemm "attention_grad_queries" bf16 to bf16
// CHECK: fsdprt.gemm "attention_grad_queries" bf16 to bf16
// CHECK-NEXT: fsdprt.launch "attention_grad_round"
// CHECK-NEXT: fsdprt.launch "attention_grad_round"
// CHECK: train.attention_rows %{{.*}} mask %{{.*}} first 4 of 6 x 8 scale 5.000000e-01
module attributes {fsdprt.target = #fsdprt.cuda<"simulated">} {
  func.func @init() {
    return
  }
  func.func @step(%iq: tensor<2x4x6x3xi64> {train.role = "q"}, %ik: tensor<2x4x8x3xi64> {train.role = "k"}, %im: tensor<6x1xi64> {train.role = "m"})
      -> (tensor<2x4x6x3xbf16> {train.role = "y"}, tensor<2x4x6x3xbf16> {train.role = "dq"},
          tensor<2x4x8x3xbf16> {train.role = "dk"}, tensor<2x4x8x3xbf16> {train.role = "dv"}) {
    %q = onnx.cast %iq : tensor<2x4x6x3xi64> -> tensor<2x4x6x3xbf16>
    %k = onnx.cast %ik : tensor<2x4x8x3xi64> -> tensor<2x4x8x3xbf16>
    %m = onnx.cast %im : tensor<6x1xi64> -> tensor<6x1xf32>
    %y, %x, %s = onnx.attention %q, %k, %k mask %m scale 0.5 : (tensor<2x4x6x3xbf16>, tensor<2x4x8x3xbf16>, tensor<2x4x8x3xbf16>, tensor<6x1xf32>) -> (tensor<2x4x6x3xbf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>)
    %dq, %dk, %dv = train.attention_grad %q, %k, %k saved %x, %s grad %y mask %m scale 0.5 : (tensor<2x4x6x3xbf16>, tensor<2x4x8x3xbf16>, tensor<2x4x8x3xbf16>, tensor<2x4x6xf32>, tensor<2x4x6xf32>, tensor<2x4x6x3xbf16>, tensor<6x1xf32>) -> (tensor<2x4x6x3xbf16>, tensor<2x4x8x3xbf16>, tensor<2x4x8x3xbf16>)
    return %y, %dq, %dk, %dv : tensor<2x4x6x3xbf16>, tensor<2x4x6x3xbf16>, tensor<2x4x8x3xbf16>, tensor<2x4x8x3xbf16>
  }
  func.func @export() {
    return
  }
}

// -----

// Tests that attention stays one kernel where something else reads its maxima,
// which would lie block by block.
// CHECK-LABEL: fsdprt.phase @step
// CHECK: fsdprt.launch "attention"
// CHECK-NOT: fsdprt.gemm
module attributes {fsdprt.target = #fsdprt.cuda<"sm_90">} {
  func.func @init() {
    return
  }
  func.func @step(%iq: tensor<1x2x6x3xi64> {train.role = "q"}) -> (tensor<1x2x6x3xf32> {train.role = "y"}, tensor<1x2x6xf32> {train.role = "m"}) {
    %q = onnx.cast %iq : tensor<1x2x6x3xi64> -> tensor<1x2x6x3xf32>
    %y, %m, %s = onnx.attention %q, %q, %q scale 0.5 : (tensor<1x2x6x3xf32>, tensor<1x2x6x3xf32>, tensor<1x2x6x3xf32>) -> (tensor<1x2x6x3xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
    return %y, %m : tensor<1x2x6x3xf32>, tensor<1x2x6xf32>
  }
  func.func @export() {
    return
  }
}

// -----

// Tests that the CPU keeps its kernels.
// CHECK-LABEL: fsdprt.phase @step
// CHECK: fsdprt.launch "attention"
// CHECK-NOT: fsdprt.gemm
func.func @init() {
  return
}
func.func @step(%iq: tensor<1x2x6x3xi64> {train.role = "q"}) -> (tensor<1x2x6x3xf32> {train.role = "y"}) {
  %q = onnx.cast %iq : tensor<1x2x6x3xi64> -> tensor<1x2x6x3xf32>
  %y, %m, %s = onnx.attention %q, %q, %q scale 0.5 : (tensor<1x2x6x3xf32>, tensor<1x2x6x3xf32>, tensor<1x2x6x3xf32>) -> (tensor<1x2x6x3xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return %y : tensor<1x2x6x3xf32>
}
func.func @export() {
  return
}
