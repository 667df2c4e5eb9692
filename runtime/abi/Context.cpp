//===- Context.cpp - One rank, as a compiled program sees it --------------===//

#include "abi/Context.h"

#include "core/DType.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

using namespace fsdprt;

fsdprt_context *&fsdprt::currentContext() {
  static thread_local fsdprt_context *context = nullptr;
  return context;
}

fsdprt_context::fsdprt_context(const Manifest &manifest,
                               Communicator &communicator, Options options)
    : manifest(manifest), options(options), communicator(communicator),
      recorder(manifest.arenas.size()) {
  for (const BufferSpec &buffer : manifest.buffers)
    if (buffer.kind == "shard" || buffer.kind == "gathered" ||
        buffer.kind == "gradient" || buffer.kind == "reduced")
      parameterBuffers.insert(buffer.id);
}

/// Sums begin with zeros: in the first microbatch they are read too, and what
/// is read is not used.
static Status zero(Device &device, DeviceRange range) {
  constexpr int64_t piece = 1 << 24;
  const std::vector<char> zeros(std::min(piece, range.bytes));
  for (int64_t done = 0; done < range.bytes; done += piece)
    FSDPRT_RETURN_IF_ERROR(
        device.upload({range.begin + done, std::min(piece, range.bytes - done)},
                      zeros.data()));
  return Status();
}

Status fsdprt_context::allocate() {
  for (const ArenaSpec &spec : manifest.arenas) {
    if (spec.runs && spec.bytes == 0) { // no phase of this run needs it
      arenas.push_back({spec.name, DeviceAddress(), 0});
      continue;
    }
    Expected<DeviceAddress> begin = device->allocate(spec);
    if (!begin.ok())
      return begin.status();
    arenas.push_back({spec.name, *begin, spec.bytes});
    if (spec.runs)
      FSDPRT_RETURN_IF_ERROR(zero(*device, {*begin, spec.bytes}));
  }
  return Status();
}

Expected<std::unique_ptr<fsdprt_context>>
fsdprt_context::create(const Manifest &manifest, Communicator &communicator,
                       FlightFile *flight, Options options,
                       const MakeDevice &makeDevice) {
  std::unique_ptr<fsdprt_context> context(
      new fsdprt_context(manifest, communicator, options));
  if (options.checked)
    context->planPoison();
  context->slot = flight ? flight->slotOfRank(communicator.rank()) : nullptr;
  if (options.traceFirst < options.traceEnd)
    context->trace =
        std::make_unique<Trace>(options.traceFirst, options.traceEnd);
  fsdprt_context *self = context.get();
  auto onThreadStart = [self] {
    setFloatEnvironment();
    currentContext() = self;
  };
  onThreadStart();
  Device::Options deviceOptions;
  deviceOptions.threads = options.threads;
  deviceOptions.checked = options.checked;
  deviceOptions.timeoutSeconds = options.timeoutSeconds;
  deviceOptions.commDelaySeconds = options.commDelaySeconds;
  deviceOptions.flight = flight;
  deviceOptions.slot = context->slot;
  deviceOptions.trace = context->trace.get();
  deviceOptions.onThreadStart = onThreadStart;
  context->arenas.reserve(manifest.arenas.size()); // signal handlers look at it
  Expected<std::unique_ptr<Device>> device =
      makeDevice(communicator, deviceOptions);
  if (!device.ok())
    return device.status();
  context->device = std::move(*device);
  return context;
}

fsdprt_context::~fsdprt_context() {
  if (currentContext() == this)
    currentContext() = nullptr;
}

/// A buffer dies with its last operation, unless another one takes its place
/// there (in place), or the runtime reads it after the phase.
void fsdprt_context::planPoison() {
  for (const BufferSpec &buffer : manifest.buffers) {
    if (buffer.phase.empty() || buffer.kind == "input" ||
        buffer.kind == "scalar")
      continue;
    bool replaced = false;
    for (const BufferSpec &other : manifest.buffers)
      replaced |= &other != &buffer && other.arena == buffer.arena &&
                  (other.phase.empty() ||
                   (manifest.beginOf(other) <= manifest.endOf(buffer) &&
                    manifest.endOf(other) >= manifest.endOf(buffer))) &&
                  other.offset < buffer.offset + buffer.bytes &&
                  buffer.offset < other.offset + other.bytes;
    if (!replaced)
      dying[manifest.phases[manifest.endOf(buffer).first].name][buffer.last]
          .push_back(&buffer);
  }
}

std::vector<DeviceRange> fsdprt_context::dyingAfter(int64_t operation) const {
  std::vector<DeviceRange> ranges;
  auto inPhase = dying.find(phase);
  if (inPhase == dying.end())
    return ranges;
  auto buffers = inPhase->second.find(operation);
  if (buffers == inPhase->second.end())
    return ranges;
  for (const BufferSpec *buffer : buffers->second)
    ranges.push_back(
        {arenas[buffer->arena].begin + buffer->offset, buffer->bytes});
  return ranges;
}

Status fsdprt_context::beginPhase(const std::string &name, int64_t number) {
  phase = name;
  step = number;
  int phaseNumber = recorder.beginPhase(name);
  operations.beginPhase(phaseNumber);
  enterPhase(slot, name.c_str(), number);
  if (trace)
    trace->beginPhase(name, number);
  return device->beginPhase(phaseNumber, number);
}

void fsdprt_context::endPhase() {
  if (trace)
    trace->endPhase();
}

/// The runtime touches it: recorded as any other access.
DeviceRange fsdprt_context::rangeOf(const Place &place) {
  recorder.recordHost(place.arena, place.offset, place.bytes);
  return {arenas[place.arena].begin + place.offset, place.bytes};
}

void *fsdprt_context::hostWrite(const Place &place) {
  return device->hostWrite(rangeOf(place));
}

void fsdprt_context::writeScalar(const std::string &name, double value) {
  auto found = manifest.scalars.find(name);
  if (found != manifest.scalars.end())
    lookupDType(found->second.dtype)->store(hostWrite(found->second), value);
}

void fsdprt_context::writeScalar(const std::string &name, uint64_t value) {
  auto found = manifest.scalars.find(name);
  if (found == manifest.scalars.end())
    return;
  if (found->second.dtype == FSDPRT_I64)
    std::memcpy(hostWrite(found->second), &value, sizeof value);
  else
    writeScalar(name, double(value));
}

Expected<double> fsdprt_context::readResult(const std::string &name) {
  auto found = manifest.results.find(name);
  if (found == manifest.results.end())
    return std::numeric_limits<double>::quiet_NaN();
  auto bytes = device->hostRead(rangeOf(found->second));
  if (!bytes.ok())
    return bytes.status();
  return lookupDType(found->second.dtype)->load(*bytes);
}
