//===- Numbers.h - Options that are numbers ---------------------*- C++ -*-===//
#ifndef FSDP_TOOLS_FSDP_COMPILE_NUMBERS_H
#define FSDP_TOOLS_FSDP_COMPILE_NUMBERS_H

#include "llvm/Support/CommandLine.h"

#include <string>

namespace fsdp {
/// What is wrong with the value of an option, in our words: LLVM would print
/// its own. "" if all is well.
extern std::string valueProblem;

/// A real number. Its range is checked when all options have been read.
struct NumberParser : llvm::cl::parser<double> {
  using llvm::cl::parser<double>::parser;
  bool parse(llvm::cl::Option &option, llvm::StringRef, llvm::StringRef text,
             double &value);
};
using NumberOption = llvm::cl::opt<double, false, NumberParser>;

/// A whole number, 0 or more.
struct CountParser : llvm::cl::parser<unsigned> {
  using llvm::cl::parser<unsigned>::parser;
  bool parse(llvm::cl::Option &option, llvm::StringRef, llvm::StringRef text,
             unsigned &value);
};
using CountOption = llvm::cl::opt<unsigned, false, CountParser>;

/// The numbers that an option accepts: an interval as mathematics writes it.
struct NumberRange {
  double least, most;
  bool withLeast = true, withMost = true;

  bool contains(double value) const; ///< nan is in no range
  std::string str() const;           ///< "[0, 1)"
};

/// "--momentum is 2, expected a number in [0, 1)", or "" if all is well.
std::string checkRange(const NumberOption &option, const NumberRange &range);
} // namespace fsdp

#endif // FSDP_TOOLS_FSDP_COMPILE_NUMBERS_H
