//===- Tool.cpp - How a tool presents itself ------------------------------===//
#include "tools/Tool.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cctype>
#include <vector>

static llvm::StringRef toolName;

void fsdp::setTool(llvm::StringRef name) {
  toolName = name;
  llvm::cl::SetVersionPrinter([name](llvm::raw_ostream &os) {
    os << name << " " << FSDP_VERSION << " (LLVM " << LLVM_VERSION_STRING
       << ")\n";
  });
}

llvm::StringRef fsdp::getTool() { return toolName; }

std::string fsdp::printable(llvm::StringRef text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = text[i];
    bool isLayout = c == '\n' && text.substr(i + 1).starts_with("  ");
    if (isLayout || (c >= ' ' && c != 0x7f))
      result += c;
    else if (c == '\n' || c == '\t')
      result += c == '\n' ? "\\n" : "\\t";
    else
      result += "\\x" + llvm::utohexstr(c, /*LowerCase=*/true, /*Width=*/2);
  }
  return result;
}

void fsdp::printError(const llvm::Twine &message) {
  llvm::errs() << toolName << ": error: " << printable(message.str()) << "\n";
}

/// The tools' name of a data type that goes by another one; "" of no type.
static llvm::StringRef typeCalled(llvm::StringRef given) {
  return llvm::StringSwitch<llvm::StringRef>(given)
      .CasesLower("bf16", "bfloat", "bfloat16", "bfloat16")
      .CasesLower("fp32", "f32", "float", "single", "float32", "float32")
      .CasesLower("fp16", "f16", "half", "float16", "float16")
      .Default("");
}

std::string fsdp::didYouMean(llvm::StringRef given,
                             llvm::ArrayRef<std::string> known) {
  llvm::StringRef type = typeCalled(given);
  if (!type.empty() && llvm::is_contained(known, type))
    return ("; did you mean " + type + "?").str();
  if (!type.empty()) // float16 is near to bfloat16 in letters only
    return "";
  unsigned least = std::max<unsigned>(1, given.size() / 3);
  llvm::SmallVector<llvm::StringRef> nearest;
  for (const std::string &name : known) {
    unsigned distance = given.edit_distance_insensitive(name);
    if (distance > least)
      continue;
    if (distance < least)
      nearest.clear();
    least = distance;
    nearest.push_back(name);
  }
  if (nearest.empty() || nearest.size() > 2) // one of many is a guess
    return "";
  return "; did you mean " + llvm::join(nearest, " or ") + "?";
}

/// The options that --help lists.
static std::vector<std::string> listedOptions() {
  std::vector<std::string> names;
  for (auto &[name, option] : llvm::cl::getRegisteredOptions())
    if (option->getOptionHiddenFlag() == llvm::cl::NotHidden)
      names.push_back("--" + name.str());
  llvm::sort(names);
  return names;
}

void fsdp::printUsageError(llvm::StringRef complaints) {
  llvm::StringRef first = complaints.split('\n').first;
  first.consume_front((toolName + ": ").str());
  std::string message = first.split(".  Try:").first.rtrim('!').str();
  if (!message.empty())
    message[0] = std::tolower(message[0]);
  if (llvm::StringRef(message).starts_with("unknown command line argument")) {
    llvm::StringRef given =
        llvm::StringRef(message).split('\'').second.split('\'').first;
    message += didYouMean("--" + given.ltrim('-').split('=').first.str(),
                          listedOptions());
  }
  printError(message + "; see " + toolName + " --help");
}
