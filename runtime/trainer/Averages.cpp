//===- Averages.cpp - The averages of parameters in a run -----------------===//

#include "trainer/Averages.h"

#include "checkpoint/Index.h"
#include "core/DType.h"

#include <algorithm>

using namespace fsdprt;

// Piece by piece: parameters may be as large as the memory that is left.
static constexpr int64_t kPiece = 4 << 20; // bytes

static const StateSpec *averageOf(const LineSpec &line) {
  auto found = std::find_if(
      line.states.begin(), line.states.end(),
      [](const StateSpec &state) { return state.name == kAveragePlane; });
  return found == line.states.end() ? nullptr : &*found;
}

static Status checkHasAverages(const Manifest &manifest) {
  bool trains = false, lacks = false;
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines) {
      trains |= line.trainable;
      lacks |= line.trainable && !averageOf(line);
    }
  if (trains && !lacks)
    return Status();
  return failure("the program keeps no average of its parameters; compile it "
                 "with --ema, as --ema 0.999");
}

static Status checkSaysWhatIsGathered(const Manifest &manifest) {
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines)
      if (!line.gathered)
        return failure("'", manifest.folder,
                       "' does not say what its phases gather; compile it "
                       "again");
  return Status();
}

Status fsdprt::checkAverages(const RunOptions &options,
                             const Manifest &manifest) {
  if (options.saveEma.empty() && !options.evalEma)
    return Status();
  Status status = checkHasAverages(manifest);
  if (status.ok() && options.evalEma)
    status = checkSaysWhatIsGathered(manifest);
  return status.ok() ? status
                     : failure(options.evalEma ? "--eval-ema" : "--save-ema",
                               ": ", status.message());
}

static DeviceRange rangeOf(const fsdprt_context &context, const Place &place,
                           int64_t at, int64_t bytes) {
  return {context.arenas[size_t(place.arena)].begin + place.offset + at, bytes};
}

static void waitUntilSaved(const fsdprt_context &context, const Place &place) {
  if (SaveGate *gate = context.gate)
    gate->waitFor(gate->bytesBefore(place.arena, place.offset, place.bytes));
}

static Status exchange(fsdprt_context &context, const Place &a,
                       const Place &b) {
  Device &device = *context.device;
  waitUntilSaved(context, a);
  waitUntilSaved(context, b);
  std::vector<char> ofA(size_t(std::min(a.bytes, kPiece))), ofB(ofA.size());
  for (int64_t at = 0; at < a.bytes; at += kPiece) {
    int64_t bytes = std::min(kPiece, a.bytes - at);
    DeviceRange inA = rangeOf(context, a, at, bytes);
    DeviceRange inB = rangeOf(context, b, at, bytes);
    FSDPRT_RETURN_IF_ERROR(device.download(inA, ofA.data()));
    FSDPRT_RETURN_IF_ERROR(device.download(inB, ofB.data()));
    FSDPRT_RETURN_IF_ERROR(device.upload(inA, ofB.data()));
    FSDPRT_RETURN_IF_ERROR(device.upload(inB, ofA.data()));
  }
  return Status();
}

/// The elements of a place to those of another, rounded as kernels do it.
static Status convert(fsdprt_context &context, const Place &from,
                      const Place &to) {
  Device &device = *context.device;
  int64_t fromSize = sizeOfDType(from.dtype), toSize = sizeOfDType(to.dtype);
  int64_t elements = from.bytes / fromSize, piece = kPiece / fromSize;
  std::vector<char> wide(size_t(std::min(elements, piece) * fromSize));
  std::vector<char> narrow(size_t(std::min(elements, piece) * toSize));
  for (int64_t at = 0; at < elements; at += piece) {
    int64_t count = std::min(piece, elements - at);
    FSDPRT_RETURN_IF_ERROR(device.download(
        rangeOf(context, from, at * fromSize, count * fromSize), wide.data()));
    convertElements(to.dtype, narrow.data(), from.dtype, wide.data(), count);
    FSDPRT_RETURN_IF_ERROR(device.upload(
        rangeOf(context, to, at * toSize, count * toSize), narrow.data()));
  }
  return Status();
}

Status fsdprt::exchangeAverages(fsdprt_context &context) {
  for (const UnitSpec &unit : context.manifest.units)
    for (const LineSpec &line : unit.lines)
      if (const StateSpec *average = averageOf(line)) {
        markProgress(context.slot);
        FSDPRT_RETURN_IF_ERROR(exchange(context, line.shard, average->place));
        if (line.gathered && line.gathered->dtype != line.dtype)
          FSDPRT_RETURN_IF_ERROR(convert(context, line.shard, *line.gathered));
      }
  return Status();
}
