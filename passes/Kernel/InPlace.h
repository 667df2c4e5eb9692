//===- InPlace.h - Results in the buffers of operands -----------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_INPLACE_H
#define FSDP_PASSES_KERNEL_INPLACE_H

#include "dialects/Train/Train.h"

#include <optional>

namespace fsdp {
/// For each result of `kernel`, the operands whose buffer it may take over: as
/// many bytes, and every element (or row) of them is read before the iteration
/// that writes it, and by no other, wherever in the kernel the operand is read.
/// Several operands of one list may be one buffer, too.
llvm::SmallVector<llvm::SmallVector<unsigned>>
inPlaceOperands(train::KernelOp kernel);

/// The first of `allowed`, a list of `inPlaceOperands`, whose buffer the result
/// may have where operand i lies in buffer `buffers[i]` and earlier results lie
/// in `taken`: no operand outside of the list and no earlier result is in the
/// same. `dies` says whether nothing else needs an operand's buffer.
std::optional<unsigned> chooseInPlace(llvm::ArrayRef<unsigned> allowed,
                                      llvm::ArrayRef<int64_t> buffers,
                                      llvm::ArrayRef<int64_t> taken,
                                      llvm::function_ref<bool(unsigned)> dies);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_INPLACE_H
