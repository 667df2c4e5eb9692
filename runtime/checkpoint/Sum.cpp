//===- Sum.cpp - A sum that any flipped bit changes -----------------------===//

#include "checkpoint/Sum.h"

#include <cinttypes>
#include <cstdio>

// The library's header has all of it: there is nothing to link.
#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace fsdprt;

struct RunningSum::State {
  XXH3_state_t xxh;
};

RunningSum::RunningSum() : state(std::make_unique<State>()) {
  XXH3_64bits_reset(&state->xxh);
}

RunningSum::~RunningSum() = default;

void RunningSum::add(const void *data, size_t bytes) {
  XXH3_64bits_update(&state->xxh, data, bytes);
}

uint64_t RunningSum::value() const { return XXH3_64bits_digest(&state->xxh); }

std::string fsdprt::sumText(uint64_t sum) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016" PRIx64, sum);
  return text;
}
