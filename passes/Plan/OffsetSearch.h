//===- OffsetSearch.h - Places for buffers with known lives -----*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_OFFSETSEARCH_H
#define FSDP_PASSES_PLAN_OFFSETSEARCH_H

#include "passes/Plan/Lifetimes.h"

namespace fsdp {
/// A buffer to be placed: its bytes and when it is in use.
struct Occupant {
  int64_t bytes;
  Lifetime life;
};

/// Most bytes in use at one point: no arena can be smaller.
int64_t liveBytes(llvm::ArrayRef<Occupant> occupants);

/// Offsets, by index, multiples of `alignment`, such that occupants in use
/// together share no bytes, and the end of the highest. Best and first fit in
/// several orders (by size, by length of life, by both), of which the best is
/// then improved by placing what ends highest earlier, until no order helps or
/// the bound is reached. Deterministic; dynamic storage allocation is NP-hard
/// (Garey and Johnson, SR2), so the result need not be the least.
std::pair<llvm::SmallVector<int64_t>, int64_t>
searchOffsets(llvm::ArrayRef<Occupant> occupants, int64_t alignment);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_OFFSETSEARCH_H
