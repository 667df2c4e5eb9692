//===- Control.cpp - The ranks' own talk ----------------------------------===//

#include "comm/Control.h"

#include <array>
#include <cstring>

using namespace fsdprt;

Expected<std::string> Control::firstFailure(const Status &mine) {
  std::array<char, 512> text = {};
  std::strncpy(text.data(), mine.message().c_str(), text.size() - 1);
  auto all = gather(text);
  if (!all.ok())
    return all.status();
  for (size_t rank = 0; rank < all->size(); ++rank)
    if (*(*all)[rank].data())
      return "rank " + std::to_string(rank) + ": " + (*all)[rank].data();
  return std::string();
}
