//===- StackBound.h - How much stack a kernel may take ----------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_STACKBOUND_H
#define FSDP_PASSES_KERNEL_STACKBOUND_H

#include "llvm/IR/Module.h"
#include <cstdint>
#include <string>

namespace fsdp {
/// Bytes of stack that one kernel may take: its tiles are part of a worker's
/// stack, which the memory plan does not see.
inline constexpr int64_t kMaxStackBytes = 64 * 1024;

/// A function that takes too much.
struct StackExcess {
  std::string function; ///< empty: there is none
  uint64_t bytes = 0;
};

/// Has code generation for `module` report its first function above the bound
/// to `excess`, which must outlive it. The frame is measured as it is laid out:
/// with spills and what the optimiser adds.
void watchStack(llvm::Module &module, StackExcess &excess);

/// The first function of `module` that takes stack of a size known only when
/// it runs; "" when none does.
std::string findDynamicStack(const llvm::Module &module);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_STACKBOUND_H
