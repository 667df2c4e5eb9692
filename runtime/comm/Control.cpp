//===- Control.cpp - The ranks' own talk ----------------------------------===//

#include "comm/Control.h"

#include <array>
#include <cstring>

using namespace fsdprt;

/// Every rank's, by rank; `mine` is apart, as peers write into the others
/// meanwhile.
template <typename T>
static Expected<std::vector<T>> gather(Control &control, const T &mine) {
  T sent = mine;
  std::vector<T> all(size_t(control.numRanks()), mine);
  std::vector<Transfer> transfers(all.size());
  for (size_t peer = 0; peer < all.size(); ++peer)
    transfers[peer] = {&sent, &all[peer], sizeof(T)};
  FSDPRT_RETURN_IF_ERROR(control.exchange(std::move(transfers)));
  return all;
}

Expected<std::vector<int64_t>> Control::gatherValues(int64_t value) {
  return gather(*this, value);
}

Expected<std::string> Control::firstFailure(const Status &mine) {
  std::array<char, 512> text = {};
  std::strncpy(text.data(), mine.message().c_str(), text.size() - 1);
  auto all = gather(*this, text);
  if (!all.ok())
    return all.status();
  for (size_t rank = 0; rank < all->size(); ++rank)
    if (*(*all)[rank].data())
      return "rank " + std::to_string(rank) + ": " + (*all)[rank].data();
  return std::string();
}
