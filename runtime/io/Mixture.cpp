//===- Mixture.cpp - Rows of several sources by weight --------------------===//

#include "io/Mixture.h"

#include <algorithm>
#include <charconv>
#include <numeric>

using namespace fsdprt;

Mixture::Mixture(std::vector<int64_t> asked) : weights(std::move(asked)) {
  int64_t divisor = 0;
  for (int64_t weight : weights)
    divisor = std::gcd(divisor, weight);
  for (int64_t &weight : weights)
    weight /= divisor;
  int64_t period = std::accumulate(weights.begin(), weights.end(), int64_t(0));
  std::vector<int64_t> behind(weights.size()), rows(weights.size());
  for (int64_t turn = 0; turn < period; ++turn) {
    for (size_t i = 0; i < weights.size(); ++i)
      behind[i] += weights[i];
    size_t next =
        size_t(std::max_element(behind.begin(), behind.end()) - behind.begin());
    behind[next] -= period;
    turns.push_back({next, rows[next]++});
  }
}

int64_t Mixture::rowsOf(size_t source, int64_t rows) const {
  int64_t period = int64_t(turns.size());
  int64_t rest =
      std::count_if(turns.begin(), turns.begin() + rows % period,
                    [&](const Place &turn) { return turn.source == source; });
  return rows / period * weights[source] + rest;
}

Expected<std::vector<int64_t>> fsdprt::parseWeights(const std::string &text,
                                                    size_t numSources) {
  std::vector<int64_t> weights;
  int64_t sum = 0;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    int64_t weight = 0;
    auto read = std::from_chars(at, end, weight);
    bool isWhole = read.ec == std::errc() && weight > 0 &&
                   (read.ptr == end || *read.ptr == ',');
    if (!isWhole || weight > Mixture::kMostWeight - sum)
      return failure("--weights-of-data is '", text,
                     "', expected whole numbers above 0, of a sum up to ",
                     Mixture::kMostWeight, ": 7,3 for 0.7 and 0.3");
    weights.push_back(weight);
    sum += weight;
    if (read.ptr == end)
      break;
    at = read.ptr + 1;
  }
  if (weights.size() != numSources)
    return failure("--weights-of-data has ", weights.size(),
                   " numbers, expected one for each of the ", numSources,
                   " names of --data");
  return weights;
}
