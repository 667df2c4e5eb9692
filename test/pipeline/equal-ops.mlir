// RUN: fsdp-opt %s --canonicalize --cse --canonicalize | FileCheck %s

// Tests, op by op, that what communicates, reads or writes parameters is
// neither merged nor dropped although its operands are equal and its results
// unused: every op below stands twice.
// CHECK-LABEL: func.func @communication
// CHECK-COUNT-2: fsdp.all_gather_start
// CHECK-COUNT-2: fsdp.wait
// CHECK-COUNT-2: fsdp.reduce_scatter_start
// CHECK-COUNT-2: fsdp.wait
// CHECK-COUNT-2: fsdp.all_reduce
// CHECK-COUNT-2: fsdp.store
// CHECK-COUNT-2: fsdp.release
// CHECK: return
#mesh = #fsdp.mesh<"shard" = 2>
#layout = #fsdp.layout<flat over ["shard"] of #mesh, [tensor<4xf32> at 0]>
!shard = !fsdp.sharded<tensor<4xf32>, #layout, 0>
func.func @communication(%s: !shard, %x: tensor<4xf32>, %n: tensor<f32>) {
  %p0 = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %p1 = fsdp.all_gather_start "h.0" line 0(%s) over ["shard"] : (!shard) -> !fsdp.pending<tensor<4xf32>>
  %w0 = fsdp.wait %p0 : <tensor<4xf32>> -> tensor<4xf32>
  %w1 = fsdp.wait %p0 : <tensor<4xf32>> -> tensor<4xf32>
  %q0 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %q1 = fsdp.reduce_scatter_start "h.0" line 0(%x) over ["shard"] : (tensor<4xf32>) -> !fsdp.pending<!shard>
  %g0 = fsdp.wait %q0 : <!shard> -> !shard
  %g1 = fsdp.wait %q0 : <!shard> -> !shard
  %n0 = fsdp.all_reduce %n over ["shard"] : tensor<f32>
  %n1 = fsdp.all_reduce %n over ["shard"] : tensor<f32>
  fsdp.store "h.0" line 0(%x) : tensor<4xf32>
  fsdp.store "h.0" line 0(%x) : tensor<4xf32>
  fsdp.release "h.0" line 0(%x) : tensor<4xf32>
  fsdp.release "h.0" line 0(%x) : tensor<4xf32>
  return
}

// Tests that parameters are not read from before their update after it.
// CHECK-LABEL: func.func @parameters
// CHECK: %[[BEFORE:.*]] = onnx.read @w
// CHECK: train.update @w
// CHECK: %[[AFTER:.*]] = onnx.read @w
// CHECK: train.update @w
// CHECK: return %[[BEFORE]], %[[AFTER]]
onnx.parameter @w : tensor<4xf32>
func.func @parameters(%g: tensor<4xf32>, %lr: tensor<f32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %before = onnx.read @w : tensor<4xf32>
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  %after = onnx.read @w : tensor<4xf32>
  train.update @w, %g lr %lr step %lr {rule = #train.sgd<momentum = 0.0, decay = 0.0>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> ()
  return %before, %after : tensor<4xf32>, tensor<4xf32>
}

// Tests that dispatches, which have no operands that say what they touch, stay.
// CHECK-LABEL: fsdprt.phase @dispatches
// CHECK-COUNT-2: fsdprt.fill
// CHECK: fsdprt.join
fsdprt.phase @dispatches runs microbatch {
  %0 = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 192]>] unit "" scope ""
  %1 = fsdprt.fill "zero" byte 0 on compute [#fsdprt.arg<write 5 [0 : 192]>] unit "" scope ""
  %2 = fsdprt.join "join" on compute [] unit "" scope ""
}

// Tests that what is computed again is neither merged with the first nor given
// its operands, although a barrier's results are its operands.
// CHECK-LABEL: func.func @recomputed
// CHECK: %[[FIRST:.*]] = onnx.exp %{{.*}}
// CHECK: %[[B0:.*]] = train.barrier
// CHECK: %[[B1:.*]] = train.barrier
// CHECK: %[[AGAIN0:.*]] = onnx.exp %[[B0]]
// CHECK: %[[AGAIN1:.*]] = onnx.exp %[[B1]]
// CHECK: return %[[FIRST]], %[[AGAIN0]], %[[AGAIN1]]
func.func @recomputed(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %y = onnx.exp %x : tensor<4xf32> -> tensor<4xf32>
  %b0 = train.barrier %x : tensor<4xf32> -> tensor<4xf32>
  %b1 = train.barrier %x : tensor<4xf32> -> tensor<4xf32>
  %y0 = onnx.exp %b0 : tensor<4xf32> -> tensor<4xf32>
  %y1 = onnx.exp %b1 : tensor<4xf32> -> tensor<4xf32>
  return %y, %y0, %y1 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
