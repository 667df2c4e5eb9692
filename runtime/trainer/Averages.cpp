//===- Averages.cpp - The averages of parameters in a run -----------------===//

#include "trainer/Averages.h"

#include "checkpoint/Index.h"

#include <algorithm>

using namespace fsdprt;

static const StateSpec *averageOf(const LineSpec &line) {
  auto found = std::find_if(
      line.states.begin(), line.states.end(),
      [](const StateSpec &state) { return state.name == kAveragePlane; });
  return found == line.states.end() ? nullptr : &*found;
}

Status fsdprt::checkHasAverages(const Manifest &manifest) {
  bool trains = false, lacks = false;
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines) {
      trains |= line.trainable;
      lacks |= line.trainable && !averageOf(line);
    }
  if (trains && !lacks)
    return Status();
  return failure("--save-ema: the program keeps no average of its parameters; "
                 "compile it with --ema, as --ema 0.999");
}

/// Piece by piece: they may be as large as the memory that is left.
static Status exchange(fsdprt_context &context, const Place &a,
                       const Place &b) {
  Device &device = *context.device;
  constexpr int64_t kPiece = 4 << 20;
  std::vector<char> ofA(size_t(std::min(a.bytes, kPiece))), ofB(ofA.size());
  for (int64_t at = 0; at < a.bytes; at += kPiece) {
    auto rangeOf = [&](const Place &place) {
      return DeviceRange{context.arenas[size_t(place.arena)].begin +
                             place.offset + at,
                         std::min(kPiece, a.bytes - at)};
    };
    FSDPRT_RETURN_IF_ERROR(device.download(rangeOf(a), ofA.data()));
    FSDPRT_RETURN_IF_ERROR(device.download(rangeOf(b), ofB.data()));
    FSDPRT_RETURN_IF_ERROR(device.upload(rangeOf(a), ofB.data()));
    FSDPRT_RETURN_IF_ERROR(device.upload(rangeOf(b), ofA.data()));
  }
  return Status();
}

Status fsdprt::exchangeAverages(fsdprt_context &context) {
  for (const UnitSpec &unit : context.manifest.units)
    for (const LineSpec &line : unit.lines)
      if (const StateSpec *average = averageOf(line)) {
        markProgress(context.slot);
        FSDPRT_RETURN_IF_ERROR(exchange(context, line.shard, average->place));
      }
  return Status();
}
