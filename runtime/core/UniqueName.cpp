//===- UniqueName.cpp - Names that nobody else gives ----------------------===//

#include "core/UniqueName.h"

#include <random>

std::string fsdprt::uniqueSuffix() {
  static constexpr char letters[] = "0123456789abcdefghijklmnopqrstuv";
  std::random_device device;
  std::string suffix;
  for (int i = 0; i < 8; ++i)
    suffix += letters[device() % 32];
  return suffix;
}
