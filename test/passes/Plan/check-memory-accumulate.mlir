// RUN: fsdp-opt %s --plan-check-memory=limit=96B -o %t.mlir 2>&1 | FileCheck %s
// RUN: fsdp-opt %s --plan-check-memory=limit=128B -o %t.mlir 2>&1 | FileCheck %s --check-prefix=WITHIN --allow-empty
// RUN: not fsdp-opt %s --plan-check-memory=limit=63B 2>&1 | FileCheck %s --check-prefix=BEYOND

// Tests that what only runs with --accumulate need is told, not refused.
// CHECK: warning: within --memory-limit 96B a step has one microbatch: to sum up several a rank needs 128 B
// WITHIN-NOT: warning
// BEYOND-NOT: warning
// BEYOND: error: a rank needs 64 B (64 bytes), more than --memory-limit 63B
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "accumulate" bytes 64 persistent for accumulate
fsdprt.buffer 0 "p" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.join "join" on compute [] unit "" scope ""
}
