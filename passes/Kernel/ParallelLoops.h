//===- ParallelLoops.h - Loops whose iterations are independent -*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_PARALLELLOOPS_H
#define FSDP_PASSES_KERNEL_PARALLELLOOPS_H

#include "llvm/IR/Function.h"

namespace fsdp {
/// Tells LLVM's vectoriser that the iterations of a kernel's innermost loops
/// are independent. It cannot find out: buffers may overlap as far as it knows,
/// and where a result takes over an operand's buffer they do, which its checks
/// at run time would take for a conflict.
///
/// The kernel contract says that an element is read before the iteration that
/// writes it and by no other. A loop is left alone when it stores to an address
/// that does not advance from one iteration to the next, as a sum in memory
/// does. Variables on the stack are left out: they become registers.
void markParallelLoops(llvm::Function &function);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_PARALLELLOOPS_H
