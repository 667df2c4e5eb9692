//===- Numbers.cpp - Numbers for people -----------------------------------===//

#include "core/Numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace fsdprt;

std::string fsdprt::formatBytes(int64_t bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  int unit = 0;
  for (; std::fabs(value) >= 1024 && unit < 4; ++unit)
    value /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), unit ? "%.1f %s" : "%.0f %s", value,
                units[unit]);
  return text;
}

std::string fsdprt::grouped(int64_t number) {
  std::string text = std::to_string(number);
  int64_t first = number < 0 ? 1 : 0; // digit
  for (int64_t at = int64_t(text.size()) - 3; at > first; at -= 3)
    text.insert(size_t(at), ",");
  return text;
}

std::string fsdprt::nameAndValue(std::string name, const std::string &value) {
  name.resize(std::max<size_t>(14, name.size() + 2), ' ');
  return name + value + "\n";
}
