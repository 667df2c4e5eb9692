//===- Numbers.cpp - Options that are numbers -----------------------------===//
#include "Numbers.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace fsdp;

std::string fsdp::valueProblem;

bool NumberParser::parse(llvm::cl::Option &option, llvm::StringRef,
                         llvm::StringRef text, double &value) {
  if (!text.getAsDouble(value))
    return false;
  valueProblem = llvm::formatv("cannot read --{0} '{1}', expected a number",
                               option.ArgStr, text);
  return true;
}

bool CountParser::parse(llvm::cl::Option &option, llvm::StringRef,
                        llvm::StringRef text, unsigned &value) {
  if (!text.getAsInteger(10, value))
    return false;
  valueProblem = llvm::formatv(
      "cannot read --{0} '{1}', expected a whole number, 0 or more",
      option.ArgStr, text);
  return true;
}

bool NumberRange::contains(double value) const {
  return (withLeast ? value >= least : value > least) &&
         (withMost ? value <= most : value < most);
}

/// Without a hundred digits.
static std::string shown(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%g", value);
  return text;
}

std::string NumberRange::str() const {
  return (withLeast ? "[" : "(") + shown(least) + ", " + shown(most) +
         (withMost ? "]" : ")");
}

std::string fsdp::checkRange(const NumberOption &option,
                             const NumberRange &range) {
  if (range.contains(option))
    return "";
  return llvm::formatv("--{0} is {1}, expected a number in {2}", option.ArgStr,
                       shown(option), range.str());
}
