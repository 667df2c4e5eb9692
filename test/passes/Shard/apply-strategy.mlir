// RUN: fsdp-opt %s --fsdp-apply-strategy | FileCheck %s --check-prefix=USUAL
// RUN: fsdp-opt %s --fsdp-apply-strategy="reshard-after-forward=true,h.1=false prefetch-forward=2,h.*=3,h.1=0 prefetch-backward=h.0=2" | FileCheck %s
// RUN: not fsdp-opt %s --fsdp-apply-strategy=prefetch-forward=-1 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not fsdp-opt %s --fsdp-apply-strategy=prefetch-backward=h.9=1 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: not fsdp-opt %s --fsdp-apply-strategy=reshard-after-forward=h.0=2 2>&1 | FileCheck %s --check-prefix=SWITCH

// Tests that policies are FSDP2's defaults where nothing is said, and that a
// policy that is there stays.
// USUAL: fsdp.unit @"(root)" root policy <reshard_after_forward = false> lines []
// USUAL: fsdp.unit @h.0 policy <> lines []
// USUAL: fsdp.unit @h.1 policy <prefetch_backward = 4> lines []

// Tests that what is said of all holds for all, the root too, and that the last
// pattern that matches a unit holds for it.
// CHECK: fsdp.unit @"(root)" root policy <prefetch_forward = 2> lines []
// CHECK: fsdp.unit @h.0 policy <prefetch_forward = 3, prefetch_backward = 2> lines []
// CHECK: fsdp.unit @h.1 policy <reshard_after_forward = false, prefetch_forward = 0, prefetch_backward = 4> lines []

// NUMBER: error: cannot read --prefetch-forward '-1', expected N or PATTERN=N with N >= 0
// PATTERN: error: --prefetch-backward 'h.9' matches no unit; nearest: 'h.
// SWITCH: error: cannot read --reshard-after-forward 'h.0=2', expected true, false, PATTERN=true or PATTERN=false
fsdp.unit @"(root)" root lines []
fsdp.unit @h.0 lines []
fsdp.unit @h.1 policy <prefetch_backward = 4> lines []
