// RUN: fsdp-opt %s --fsdp-assign-units="mesh=shard=4 units=tower.*.experts.*,tower.1" | FileCheck %s
// RUN: not fsdp-opt %s --fsdp-assign-units="units=tower.layers.*" 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: not fsdp-opt %s --fsdp-assign-units="mesh=shard=0" 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not fsdp-opt %s --fsdp-assign-units="mesh=shard=65537" 2>&1 | FileCheck %s --check-prefix=LARGE
// RUN: not fsdp-opt %s --fsdp-assign-units="mesh=shard=99999999999999999999" 2>&1 | FileCheck %s --check-prefix=HUGE
// RUN: fsdp-opt %s --fsdp-assign-units="mesh=shard=65536" | FileCheck %s --check-prefix=MOST
// RUN: not fsdp-opt %s --fsdp-assign-units="mesh=eight" 2>&1 | FileCheck %s --check-prefix=MESH
// RUN: not fsdp-opt %s --fsdp-assign-units="mesh=replicate=2,shard=2" 2>&1 | FileCheck %s --check-prefix=AXES
// RUN: fsdp-opt %s --fsdp-assign-units="units=tower.*.experts,tower.*.experts.*" -o /dev/null 2>&1 | FileCheck %s --check-prefix=UNUSED
// RUN: fsdp-opt %s --fsdp-assign-units="units=tower.*.experts.*,tower.1" -o /dev/null 2>&1 | count 0
// RUN: fsdp-opt %s --fsdp-assign-units="param-dtype=bfloat16 reduce-dtype=bfloat16" | FileCheck %s --check-prefix=HALF
// RUN: fsdp-opt %s --fsdp-assign-units="param-dtype=bfloat16 reduce-dtype=float32" | FileCheck %s --check-prefix=SUM
// HALF: #fsdp.layout<flat {{.*}} align = 32>
// HALF: fsdp.unit {{.*}} gather = bf16>
// HALF-NOT: reduce = bf16
// SUM: fsdp.unit {{.*}} gather = bf16>

// Tests that patterns decide the units, the longest path first, and that a
// mistake in a pattern or in the mesh is refused.
// CHECK: fsdp.unit @"(root)" root lines [{{.*}}parameters = ["tower.0.w"]
// CHECK: fsdp.unit @tower.0.experts.7 lines [{{.*}}parameters = ["tower.0.experts.7.w"]
// CHECK: fsdp.unit @tower.1 lines [{{.*}}parameters = ["tower.1.w"]
// PATTERN: error: --unit 'tower.layers.*' matches no module; nearest: 'tower.{{.*}}'
// UNUSED-NOT: experts.*'
// UNUSED: warning: --unit 'tower.*.experts' has no effect: all parameters of the modules it matches belong to units inside of them
// UNUSED-NOT: experts.*'
// SIZE: error: cannot read mesh axis 'shard=0', expected NAME=SIZE with a size from 1 to 65536, as in shard=8
// LARGE: error: cannot read mesh axis 'shard=65537', expected NAME=SIZE with a size from 1 to 65536
// HUGE: error: cannot read mesh axis 'shard=99999999999999999999', expected NAME=SIZE with a size from 1 to 65536
// MOST: #fsdp.mesh<"shard" = 65536>
// MESH: error: cannot read mesh axis 'eight', expected NAME=SIZE
// AXES: error: mesh 'replicate=2,shard=2' has 2 axes, expected one: parameters are sharded over all ranks
onnx.parameter @"tower.0.w" : tensor<4xf32>
onnx.parameter @"tower.0.experts.7.w" : tensor<4xf32>
onnx.parameter @"tower.1.w" : tensor<4xf32>
