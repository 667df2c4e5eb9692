//===- Counters.h - What is news to a fuzzer, and what ends it --*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_COUNTERS_H
#define FSDP_TEST_FUZZ_COUNTERS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"

#include <string>

namespace fsdp::fuzz {
/// Counts the pair as covered: kinds of error and ops that meet are news, with
/// or without instrumented code.
void mark(llvm::StringRef a, llvm::StringRef b = "");

/// The message without names and numbers.
std::string kindOf(llvm::StringRef message);

/// Aborts after a message: an invariant does not hold.
[[noreturn]] void fail(llvm::StringRef fuzzer, const llvm::Twine &what,
                       llvm::ArrayRef<std::string> errors = {});
} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_COUNTERS_H
