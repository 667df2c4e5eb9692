//===- Control.cpp - The ranks' own talk ----------------------------------===//

#include "comm/Control.h"

using namespace fsdprt;

Expected<std::vector<int64_t>> Control::gatherValues(int64_t value) {
  std::vector<int64_t> values(numRanks(), value);
  int64_t mine = value; // apart: peers write into `values` meanwhile
  std::vector<Transfer> transfers(values.size());
  for (size_t peer = 0; peer < values.size(); ++peer)
    transfers[peer] = {&mine, &values[peer], sizeof(int64_t)};
  FSDPRT_RETURN_IF_ERROR(exchange(std::move(transfers)));
  return values;
}
