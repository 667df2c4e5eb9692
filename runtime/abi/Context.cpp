//===- Context.cpp - One rank, as a compiled program sees it --------------===//

#include "abi/Context.h"

#include "core/DType.h"

#include <limits>

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

Expected<std::unique_ptr<fsdprt_context>>
fsdprt_context::create(const Manifest &manifest, Communicator &communicator,
                       FlightFile *flight, Options options) {
  std::unique_ptr<fsdprt_context> context(
      new fsdprt_context(manifest, communicator, options));
  for (const ArenaSpec &spec : manifest.arenas) {
    Expected<Arena> arena =
        Arena::create(spec.name, spec.bytes, options.checked);
    if (!arena.ok())
      return arena.status();
    if (options.checked)
      arena->fillWithNan(0, spec.bytes);
    context->arenas.push_back(std::move(*arena));
  }
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
  context->workers =
      std::make_unique<WorkerPool>(options.threads, onThreadStart);
  context->gemm = std::make_unique<GemmLibrary>(options.threads);
  Streams::Options streamOptions;
  streamOptions.flight = flight;
  streamOptions.slot = context->slot;
  streamOptions.timeoutSeconds = options.timeoutSeconds;
  streamOptions.delaySeconds = options.commDelaySeconds;
  streamOptions.trace = context->trace.get();
  streamOptions.onThreadStart = onThreadStart;
  context->streams = std::make_unique<Streams>(communicator, streamOptions);
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
                   (other.phase == buffer.phase && other.first <= buffer.last &&
                    other.last >= buffer.last)) &&
                  other.offset < buffer.offset + buffer.bytes &&
                  buffer.offset < other.offset + other.bytes;
    if (!replaced)
      dying[buffer.phase][buffer.last].push_back(&buffer);
  }
}

void fsdprt_context::beginPhase(const std::string &name, int64_t number) {
  phase = name;
  step = number;
  nextOperation = 0;
  recorder.beginPhase(name);
  streams->beginPhase();
  enterPhase(slot, name.c_str(), number);
  if (trace)
    trace->beginPhase(name, number);
}

void fsdprt_context::endPhase() {
  if (trace)
    trace->endPhase();
}

char *fsdprt_context::hostAccess(const Place &place) {
  recorder.recordHost(place.arena, place.offset, place.bytes);
  return arenas[place.arena].base() + place.offset;
}

void fsdprt_context::writeScalar(const std::string &name, double value) {
  auto found = manifest.scalars.find(name);
  if (found != manifest.scalars.end())
    lookupDType(found->second.dtype)->store(hostAccess(found->second), value);
}

double fsdprt_context::readResult(const std::string &name) {
  auto found = manifest.results.find(name);
  if (found == manifest.results.end())
    return std::numeric_limits<double>::quiet_NaN();
  return lookupDType(found->second.dtype)->load(hostAccess(found->second));
}
