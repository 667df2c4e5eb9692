// RUN: fsdp-opt %s --plan-check-memory -o %t.mlir
// RUN: fsdp-opt %s --plan-check-memory=limit=448B -o %t.mlir
// RUN: not fsdp-opt %s --plan-check-memory=limit=447 2>&1 | FileCheck %s
// RUN: not fsdp-opt %s --plan-check-memory=limit=0.4KiB 2>&1 | FileCheck %s --check-prefix=UNIT
// RUN: not fsdp-opt %s --plan-check-memory=limit=2Gi 2>&1 | FileCheck %s --check-prefix=FORM
// RUN: not fsdp-opt %s --plan-check-memory=limit=-1 2>&1 | FileCheck %s --check-prefix=FORM
// FORM: error: cannot read --memory-limit '{{2Gi|-1}}', expected bytes or a size such as 2GiB or 800MB
// UNIT: error: a rank needs 448 B (448 bytes), more than --memory-limit 0.4KiB

// Tests that a plan over the limit is refused with the dispatch at the peak and
// what is in memory there, the largest first, and that one at the limit passes.
// CHECK: error: a rank needs 448 B (448 bytes), more than --memory-limit 447; the peak is phase 'step', 'h.0.fc two', with 256 B of activation of h.0, 128 B of gathered of h.0, 64 B of shard of h.0; use more ranks, a smaller batch or sequence, less prefetch, --recompute or --param-dtype bfloat16
fsdprt.arena 0 "state" bytes 64 persistent
fsdprt.arena 1 "work" bytes 384
fsdprt.buffer 0 "p" shard unit "h.0" phase "" bytes 64 arena 0 at 0
fsdprt.buffer 1 "g" gathered unit "h.0" phase "step" bytes 128 arena 1 at 0
fsdprt.buffer 2 "a" activation unit "h.0" phase "step" bytes 128 arena 1 at 128
fsdprt.buffer 3 "b" activation unit "h.0" phase "step" bytes 128 arena 1 at 256
fsdprt.phase @step runs microbatch {
  %0 = fsdprt.launch "one" @k0 extent 1 scratch 0 on compute [#fsdprt.arg<write 1 [0 : 128]>, #fsdprt.arg<write 2 [0 : 128]>] unit "h.0" scope "h.0.fc"
  %1 = fsdprt.fill "two" byte 0 on compute [#fsdprt.arg<write 3 [0 : 128]>] unit "h.0" scope "h.0.fc"
  %2 = fsdprt.copy "three" on compute [#fsdprt.arg<read 1 [0 : 128]>, #fsdprt.arg<write 3 [0 : 128]>] unit "h.0" scope "h.0.fc"
  %3 = fsdprt.copy "four" on compute [#fsdprt.arg<read 3 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "h.0" scope "h.0.fc"
  %4 = fsdprt.copy "five" on compute [#fsdprt.arg<read 2 [0 : 64]>, #fsdprt.arg<write 0 [0 : 64]>] unit "h.0" scope "h.0.fc"
  %5 = fsdprt.join "join" on compute [] unit "" scope ""
}
