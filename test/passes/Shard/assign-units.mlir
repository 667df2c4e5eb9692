// RUN: fsdp-opt %s --fsdp-assign-units=mesh=shard=2 --split-input-file --verify-diagnostics | FileCheck %s

// Tests that the elements of the outermost list are units, that what is left
// is the root's, and that the step is not changed.
// CHECK: #[[MESH:.*]] = #fsdp.mesh<"shard" = 2>
// CHECK-DAG: #[[WTE:.*]] = #fsdp.layout<flat over ["shard"] of #[[MESH]], [tensor<16x4xf32> at 0]>
// CHECK-DAG: #[[BLOCK:.*]] = #fsdp.layout<flat over ["shard"] of #[[MESH]], [tensor<4x4xf32> at 0, tensor<3xf32> at 16]>
// CHECK-DAG: #[[LAST:.*]] = #fsdp.layout<flat over ["shard"] of #[[MESH]], [tensor<4x4xf32> at 0]>
// CHECK: fsdp.unit @"(root)" root lines [#fsdp.line<layout = #[[WTE]], parameters = ["wte"], ranges = [<end = 64, rule = #train.sgd<momentum = 0.000000e+00 : f64, decay = 0.000000e+00 : f64>>]>]
// CHECK: fsdp.unit @h.0 lines [#fsdp.line<layout = #[[BLOCK]], parameters = ["h.0.w", "h.0.experts.1.b"], ranges = [<end = 16, rule = #train.sgd<{{[^>]*}}decay = 1.000000e-01 : f64>>, <end = 19, rule = #train.sgd<{{[^>]*}}decay = 0.000000e+00 : f64>>]>]
// CHECK: fsdp.unit @h.1 lines [#fsdp.line<layout = #[[LAST]], parameters = ["h.1.w"], ranges = [<end = 16, rule = #train.sgd<{{[^>]*}}decay = 1.000000e-01 : f64>>]>]
// CHECK: func.func @step(
// CHECK-COUNT-4: train.update
#decay = #train.sgd<momentum = 0.0, decay = 0.1>
#plain = #train.sgd<momentum = 0.0, decay = 0.0>
onnx.parameter @wte : tensor<16x4xf32>
onnx.parameter @"h.0.experts.1.b" : tensor<3xf32>
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.1.w" : tensor<4x4xf32>
func.func @step(%a: tensor<16x4xf32>, %b: tensor<3xf32>, %c: tensor<4x4xf32>, %d: tensor<4x4xf32>, %s: tensor<f32>) {
  train.update @wte, %a lr %s step %s {rule = #plain} : (tensor<16x4xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.0.experts.1.b", %b lr %s step %s {rule = #plain} : (tensor<3xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.0.w", %c lr %s step %s {rule = #decay} : (tensor<4x4xf32>, tensor<f32>, tensor<f32>) -> ()
  train.update @"h.1.w", %d lr %s step %s {rule = #decay} : (tensor<4x4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that what nothing updates (a frozen parameter, a buffer) has a line of
// its own, that a dtype has, and that a buffer with data is no unit's.
// CHECK: fsdp.unit @h.0 lines [
// CHECK-SAME: parameters = ["h.0.w"], ranges = [<end = 16, rule = #train.sgd<{{[^>]*}}>>]>
// CHECK-SAME: parameters = ["h.0.frozen"]>
// CHECK-SAME: parameters = ["h.0.half"]>]
// CHECK-NOT: h.0.mask"
onnx.parameter @"h.0.w" : tensor<4x4xf32>
onnx.parameter @"h.0.frozen" : tensor<4xf32> {frozen}
onnx.parameter @"h.0.half" : tensor<4xbf16> {frozen}
onnx.parameter @"h.0.mask" : tensor<2xi64> {buffer, data = dense<[0, 1]> : tensor<2xi64>}
func.func @step(%g: tensor<4x4xf32>, %s: tensor<f32>) {
  train.update @"h.0.w", %g lr %s step %s {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4x4xf32>, tensor<f32>, tensor<f32>) -> ()
  return
}

// -----

// Tests that a tied parameter goes to the nearest unit that holds all its names,
// here the root, and one tied within its unit stays.
// CHECK: fsdp.unit @"(root)" root lines [{{.*}}parameters = ["h.0.shared"]
// CHECK: fsdp.unit @h.0 lines [{{.*}}parameters = ["h.0.own"]
onnx.parameter @"h.0.shared" : tensor<4xf32> {aliases = ["h.1.shared"]}
onnx.parameter @"h.0.own" : tensor<4xf32> {aliases = ["h.0.again"]}
