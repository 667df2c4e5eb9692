//===- Counters.cpp - What is news to a fuzzer, and what ends it ----------===//
#include "test/fuzz/Counters.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

/// libFuzzer takes these for edges that were covered.
__attribute__((section("__libfuzzer_extra_counters"), used)) //
static uint8_t counters[1 << 14];

void fsdp::fuzz::mark(llvm::StringRef a, llvm::StringRef b) {
  counters[(llvm::xxh3_64bits(a) * 31 + llvm::xxh3_64bits(b)) %
           std::size(counters)] = 1;
}

std::string fsdp::fuzz::kindOf(llvm::StringRef message) {
  std::string kind;
  bool quoted = false;
  for (char c : message) {
    quoted ^= c == '\'';
    if (!quoted && !llvm::isDigit(c))
      kind += c;
  }
  return kind;
}

void fsdp::fuzz::fail(llvm::StringRef fuzzer, const llvm::Twine &what,
                      llvm::ArrayRef<std::string> errors) {
  llvm::errs() << fuzzer << ": " << what << "\n";
  for (const std::string &error : errors)
    llvm::errs() << "  error: " << error << "\n";
  abort();
}
