//===- OptimizerText.cpp - Rules and groups as users write them -----------===//
#include "passes/Support/OptimizerText.h"
#include "dialects/Onnx/Glob.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using llvm::formatv;
using llvm::StringRef;
using namespace fsdp;

std::string fsdp::listRuleKinds() {
  std::string list;
  auto kinds = train::getRuleKinds();
  for (auto [i, kind] : llvm::enumerate(kinds))
    list += (i == 0                  ? ""
             : i + 1 == kinds.size() ? " or "
                                     : ", ") +
            kind.name.str();
  return list;
}

/// Numbers in torch's words: both betas are one.
static std::vector<std::string> keysOf(const train::RuleKind &kind) {
  std::vector<std::string> keys;
  for (const train::RuleNumber &number : kind.numbers) {
    if (number.name == "beta1")
      keys.push_back("betas");
    else if (number.name != "beta2")
      keys.push_back(number.name.str());
  }
  return keys;
}

static std::string unknownKey(StringRef key, const train::RuleKind &kind) {
  if (key == "amsgrad" || key == "maximize")
    return formatv("{0} is not there: {1}", key,
                   key == "amsgrad"
                       ? "the largest second moment is not kept"
                       : "a loss is what is made small; negate it");
  std::vector<std::string> keys = keysOf(kind);
  return formatv("{0} has no number '{1}', expected {2}; nearest: {3}",
                 kind.name, key, llvm::join(keys, ", "),
                 nearestNames(key, keys));
}

/// A real number, a flag, or as a learning rate a multiple of the run's.
static std::string readValue(StringRef key, StringRef text, double &value) {
  if (key == "lr") {
    StringRef factor = text;
    if (factor.consume_back("x") && !factor.getAsDouble(value))
      return "";
    return formatv("lr is '{0}', expected a multiple of fsdp-run's --lr, such "
                   "as 0.1x",
                   text);
  }
  if (key == "nesterov" && (text == "true" || text == "false")) {
    value = text == "true";
    return "";
  }
  if (!text.getAsDouble(value) &&
      (key != "nesterov" || value == 0 || value == 1))
    return "";
  return formatv("{0} is '{1}', expected {2}", key, text,
                 key == "nesterov" ? "true or false" : "a number");
}

std::string fsdp::readRuleNumber(StringRef key, StringRef value,
                                 const train::RuleKind &kind,
                                 llvm::SmallVectorImpl<GivenNumber> &numbers) {
  if (!llvm::is_contained(keysOf(kind), key))
    return unknownKey(key, kind);
  GivenNumber number;
  if (key != "betas") {
    number.first = *kind.find(key);
    std::string problem = readValue(key, value, number.second);
    numbers.push_back(number);
    return problem;
  }
  auto [first, second] = value.split(',');
  for (auto [name, text] : {std::pair("beta1", first), {"beta2", second}}) {
    number.first = *kind.find(name);
    if (text.trim().getAsDouble(number.second))
      return formatv("betas is '{0}', expected two numbers in [0, 1): 0.9,0.95",
                     value);
    numbers.push_back(number);
  }
  return "";
}

/// "lr=0.1x, betas=0.9,0.95" to its keys and values: a part without a key goes
/// on with the value before it.
static std::string
splitNumbers(StringRef text,
             llvm::SmallVectorImpl<std::pair<StringRef, StringRef>> &pairs) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    if (part.contains('=') && !key.trim().empty())
      pairs.emplace_back(key.trim(), value.trim());
    else if (!pairs.empty() && !part.trim().empty())
      pairs.back().second = {
          pairs.back().second.data(),
          size_t(part.rtrim().end() - pairs.back().second.begin())};
    else
      return formatv("'{0}' is no NAME=NUMBER", part.trim());
  }
  return "";
}

static std::string readNumbers(StringRef text, const train::RuleKind &kind,
                               llvm::ArrayRef<double> values,
                               ParameterGroup &group) {
  llvm::SmallVector<std::pair<StringRef, StringRef>> pairs;
  if (std::string problem = splitNumbers(text, pairs); !problem.empty())
    return problem;
  for (auto [i, pair] : llvm::enumerate(pairs)) {
    auto [key, value] = pair;
    for (size_t other = 0; other < i; ++other)
      if (pairs[other].first == key)
        return formatv("{0} is given twice", key);
    std::string problem = readRuleNumber(key, value, kind, group.numbers);
    if (!problem.empty())
      return problem;
    if (!kind.numbers[group.numbers.back().first].isPerGroup)
      return formatv("{0} is one number for all parameters: give {1}", key,
                     flagOf(key));
  }
  return kind.problemOf(withNumbers(values, group.numbers));
}

std::string fsdp::flagOf(StringRef number) {
  std::string flag = "--" + number.str();
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string fsdp::readGroup(StringRef text, const train::RuleKind &kind,
                            llvm::ArrayRef<double> values,
                            ParameterGroup &group) {
  auto [pattern, numbers] = text.rsplit(':');
  group.pattern = pattern.trim().str();
  std::string problem =
      group.pattern.empty() || numbers.trim().empty()
          ? "expected PATTERN: NAME=NUMBER, ..., as in 'h.*: lr=0.1x, "
            "weight_decay=0'"
          : readNumbers(numbers, kind, values, group);
  return problem.empty() ? ""
                         : formatv("--group '{0}': {1}", text, problem).str();
}

std::vector<std::string> fsdp::writeNumbers(const train::RuleKind &kind,
                                            llvm::ArrayRef<double> values) {
  std::vector<std::string> texts;
  llvm::SmallVector<double> defaults = kind.defaults();
  auto text = [](double value) { return formatv("{0:E17}", value).str(); };
  for (auto [i, number] : llvm::enumerate(kind.numbers)) {
    bool isBetas = number.name == "beta1";
    if (number.name == "beta2" ||
        (values[i] == defaults[i] &&
         (!isBetas || values[i + 1] == defaults[i + 1])))
      continue;
    texts.push_back(isBetas
                        ? "betas=" + text(values[i]) + "," + text(values[i + 1])
                        : number.name.str() + "=" + text(values[i]));
  }
  return texts;
}

llvm::SmallVector<double>
fsdp::withNumbers(llvm::ArrayRef<double> values,
                  llvm::ArrayRef<GivenNumber> numbers) {
  llvm::SmallVector<double> changed(values);
  for (auto [place, value] : numbers)
    changed[place] = value;
  return changed;
}
