//===- UsageMessages.cpp - What is wrong with a command line --------------===//

#include "trainer/UsageMessages.h"

#include "trainer/OptionChecks.h"

#include <cctype>
#include <optional>
#include <sstream>
#include <vector>

using namespace fsdprt;

/// "; did you mean --steps?", or "" where nothing is near.
static std::string didYouMean(const std::string &given,
                              const std::vector<std::string> &known) {
  size_t least = std::max<size_t>(1, given.size() / 3) + 1;
  std::string nearest;
  for (const std::string &name : known)
    if (size_t distance = editDistance(given, name); distance < least) {
      least = distance;
      nearest = name;
    }
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

/// CLI11's "--comm: thred not in {mpi,thread}".
static std::optional<std::string> unknownValue(const std::string &complaint) {
  size_t value = complaint.find(": "), list = complaint.rfind(" not in {");
  if (value == std::string::npos || list == std::string::npos || list < value)
    return std::nullopt;
  std::string given = complaint.substr(value + 2, list - value - 2), name;
  std::istringstream names(complaint.substr(list + 9));
  std::vector<std::string> known;
  while (std::getline(names, name, ','))
    known.push_back(name.back() == '}' ? name.substr(0, name.size() - 1)
                                       : name);
  std::string expected;
  for (size_t i = 0; i < known.size(); ++i)
    expected += (i == 0                  ? ""
                 : i + 1 == known.size() ? " or "
                                         : ", ") +
                known[i];
  return "unknown " + complaint.substr(0, value) + " '" + given +
         "', expected " + expected + didYouMean(given, known);
}

std::string fsdprt::unknownArgument(const CLI::App &app) {
  std::string given = app.remaining().front();
  std::vector<std::string> known;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      known.push_back("--" + name);
  return "the following argument was not expected: " + given +
         didYouMean(given.substr(0, given.find('=')), known);
}

std::string fsdprt::inOurWords(std::string complaint) {
  if (std::optional<std::string> unknown = unknownValue(complaint))
    return *unknown;
  const std::string conversion = "Could not convert: ";
  size_t value = complaint.find(" = ");
  if (complaint.compare(0, conversion.size(), conversion) == 0 &&
      value != std::string::npos)
    return "cannot read " +
           complaint.substr(conversion.size(), value - conversion.size()) +
           " '" + complaint.substr(value + 3) + "', expected a number";
  if (complaint == "program is required")
    return "no program is given, the folder MODEL.fsdp that fsdp-compile made";
  const std::string valueOfFlag = " was given a disallowed flag override";
  if (size_t flag = complaint.find(valueOfFlag); flag != std::string::npos)
    return "--" + complaint.substr(0, flag) + " takes no value";
  if (size_t whole = complaint.find(": is "); whole != std::string::npos)
    return complaint.erase(whole, 1); // checkWhole's
  size_t count = complaint.find(": At Most 1 required but received ");
  if (count != std::string::npos)
    return complaint.substr(0, count) + " is given " +
           complaint.substr(complaint.rfind(' ') + 1) +
           " times, expected at most once";
  if (!complaint.empty())
    complaint[0] = char(std::tolower(complaint[0]));
  return complaint;
}
