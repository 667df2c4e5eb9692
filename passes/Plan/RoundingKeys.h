//===- RoundingKeys.h - What tells parameters' roundings apart --*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_ROUNDINGKEYS_H
#define FSDP_PASSES_PLAN_ROUNDINGKEYS_H

namespace fsdp {
struct Program;

/// A constant with the key of each parameter whose states are rounded
/// (`#train.rounded`), and the part of it that each line's update reads; the
/// scalar `seed`, if there are any. A key is of the parameter's name, so that
/// what is rounded up depends neither on ranks nor on units.
void createRoundingKeys(Program &program);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_ROUNDINGKEYS_H
