// RUN: fsdp-opt %s --fsdp-assign-units="mesh=shard=4 units=enc,enc.layers.*,enc.layers.*.mlp" | FileCheck %s

// Tests that a parameter tied across nested units goes to the nearest unit that
// holds all its names: neither to the first name's own unit nor to the root.
// CHECK: fsdp.unit @"(root)" root lines [{{.*}}parameters = ["enc.layers.0.far"]
// CHECK: fsdp.unit @enc lines [{{.*}}parameters = ["enc.layers.0.mlp.across"]
// CHECK: fsdp.unit @enc.layers.0 lines [{{.*}}parameters = ["enc.layers.0.mlp.up"]
// CHECK: fsdp.unit @enc.layers.0.mlp lines [{{.*}}parameters = ["enc.layers.0.mlp.within"]
onnx.parameter @"enc.layers.0.far" : tensor<4xf32> {aliases = ["encoder.w"]}
onnx.parameter @"enc.layers.0.mlp.across" : tensor<4xf32> {aliases = ["enc.layers.1.mlp.across"]}
onnx.parameter @"enc.layers.0.mlp.up" : tensor<4xf32> {aliases = ["enc.layers.0.attn.w"]}
onnx.parameter @"enc.layers.0.mlp.within" : tensor<4xf32> {aliases = ["enc.layers.0.mlp.again"]}
