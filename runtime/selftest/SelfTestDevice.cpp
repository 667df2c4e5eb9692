//===- SelfTestDevice.cpp - A device whose operations are compared --------===//

#include "selftest/SelfTestDevice.h"

#include "core/DType.h"
#include "core/OperationName.h"
#include "device/GemmCheck.h"

#include <algorithm>
#include <limits>

using namespace fsdprt;
using namespace fsdprt::selftest;

/// Spans that the timer keeps: those of one operation.
static constexpr int64_t kSpans = 256;
static constexpr int kRuns = 5;

void Kind::keep(const Difference &difference, const std::string &at) {
  bool isFirst = worst.element < 0 && worst.ratio == 0;
  double before = worst.ratio;
  worst.keep(difference);
  if (isFirst || worst.ratio != before)
    worstAt = at;
}

//===----------------------------------------------------------------------===//
// Making
//===----------------------------------------------------------------------===//

SelfTestDevice::SelfTestDevice(int rank, Options given, OnKind onKind)
    : rank(rank), options(std::move(given)), onKind(std::move(onKind)),
      timer(0, std::numeric_limits<int64_t>::max(), kSpans),
      workers(options.threads, options.onThreadStart) {}

Expected<std::unique_ptr<SelfTestDevice>>
SelfTestDevice::create(const Manifest &manifest, int rank, Options options,
                       const Make &make, OnKind onKind) {
  std::unique_ptr<SelfTestDevice> device(
      new SelfTestDevice(rank, options, std::move(onKind)));
  auto reference = Reference::load(manifest);
  if (!reference.ok())
    return reference.status();
  device->reference = std::move(*reference);
  options.trace = &device->timer;
  auto inner = make(std::move(options));
  if (!inner.ok())
    return inner.status();
  device->inner = std::move(*inner);
  device->copies.emplace(*device->inner);
  return device;
}

/// With NaN in all of it: what is read before it is written shows.
Expected<DeviceAddress> SelfTestDevice::allocate(const ArenaSpec &arena) {
  Expected<DeviceAddress> begin = inner->allocate(arena);
  if (!begin.ok() || arena.bytes == 0)
    return begin;
  arenas.push_back({*begin, arena.bytes});
  fsdprt_arg arg = {0, FSDPRT_ACCESS_WRITE, 0, arena.bytes, -1};
  fsdprt_fill_desc fill = {{"self_test_fill", "", "", &arg, nullptr, 1, 0,
                            FSDPRT_STREAM_COMPUTE, -1},
                           0xff,
                           0};
  Dispatch dispatch;
  dispatch.op = &fill.op;
  dispatch.mark = FlightMark(fill.op, 0);
  dispatch.args = {*begin};
  FSDPRT_RETURN_IF_ERROR(inner->beginPhase(0, -1));
  Bound work = inner->bindFill(fill, dispatch);
  if (!work.ok())
    return work.status();
  dispatch.work = std::move(*work);
  FSDPRT_RETURN_IF_ERROR(run(dispatch));
  return begin;
}

//===----------------------------------------------------------------------===//
// Binding
//===----------------------------------------------------------------------===//

CheckContext SelfTestDevice::checkContext() {
  return {workers, [slot = options.slot] { markProgress(slot); }};
}

static bool isAttention(const fsdprt_op &op) {
  return std::string(op.name).find("attention") != std::string::npos;
}

static bool overlap(const Dispatch &operation, int32_t i, int32_t k) {
  DeviceAddress a = operation.args[i], b = operation.args[k];
  return a < b + operation.op->args[k].bytes &&
         b < a + operation.op->args[i].bytes;
}

/// Whether running the operation changes what it reads.
static bool readsItsResults(const Dispatch &operation) {
  const fsdprt_op &op = *operation.op;
  for (int32_t i = 0; i < op.num_args; ++i)
    for (int32_t k = 0; k < op.num_args; ++k)
      if ((op.args[i].access & FSDPRT_ACCESS_READ) &&
          (op.args[k].access & FSDPRT_ACCESS_WRITE) && overlap(operation, i, k))
        return true;
  return false;
}

/// Which arguments are in one place: "1=3 ".
static std::string sharing(const Dispatch &operation) {
  std::string text;
  for (int32_t i = 0; i < operation.op->num_args; ++i)
    for (int32_t k = i + 1; k < operation.op->num_args; ++k)
      if (operation.args[i] == operation.args[k])
        text += std::to_string(i) + "=" + std::to_string(k) + " ";
  return text;
}

static std::string typeName(int32_t dtype) {
  const DTypeInfo *info = lookupDType(dtype);
  return info ? info->name : "unknown type";
}

Kind *SelfTestDevice::find(Kind kind, const fsdprt_op &op) {
  auto [place, isNew] = byKey.emplace(kind.key, nullptr);
  if (!isNew)
    return place->second;
  kind.name = op.name;
  kind.unit = op.unit;
  for (int32_t i = 0; i < op.num_args; ++i)
    for (int32_t access : {FSDPRT_ACCESS_READ, FSDPRT_ACCESS_WRITE})
      if (op.args[i].access & access)
        kind.bytes += op.args[i].bytes;
  all.push_back(std::make_unique<Kind>(std::move(kind)));
  return place->second = all.back().get();
}

Device::Bound SelfTestDevice::testedBy(Bound bound, const Dispatch &operation,
                                       Kind kind,
                                       std::unique_ptr<Check> check) {
  if (bound.ok()) {
    Kind *found = find(std::move(kind), *operation.op);
    tested[&operation] = {found, std::move(check)};
  }
  return bound;
}

Device::Bound SelfTestDevice::bindLaunch(const fsdprt_launch_desc &desc,
                                         const Dispatch &operation) {
  Expected<HostKernel> kernel = reference->find(desc);
  if (!kernel.ok())
    return kernel.status();
  Kind kind;
  if (isAttention(desc.op))
    kind.operationClass = OperationClass::Attention;
  kind.what = desc.symbol ? desc.symbol : "";
  std::ostringstream key;
  key << "kernel " << kind.what << " "
      << reinterpret_cast<const void *>(desc.kernel) << " "
      << sharing(operation);
  kind.key = key.str();
  return testedBy(inner->bindLaunch(desc, operation), operation, kind,
                  checkKernel(desc, *kernel, checkContext()));
}

Device::Bound SelfTestDevice::bindProduct(const fsdprt_gemm_desc &desc,
                                          const Dispatch &operation) {
  Kind kind;
  kind.operationClass = isAttention(desc.op) ? OperationClass::Attention
                                             : OperationClass::Product;
  kind.what = shapeOfProduct(desc);
  kind.operations = 2 * desc.m * desc.n * desc.k;
  for (int64_t d = 0; d < desc.num_batch_dims; ++d)
    kind.operations *= desc.batch[d];
  // All that follows the head; what is behind num_batch_dims is 0.
  kind.key =
      "product " +
      std::string(reinterpret_cast<const char *>(&desc) + sizeof(desc.op),
                  sizeof(desc) - sizeof(desc.op)) +
      sharing(operation);
  return testedBy(inner->bindProduct(desc, operation), operation, kind,
                  checkProduct(desc, checkContext()));
}

Device::Bound SelfTestDevice::bindCollective(CollectiveKind collective,
                                             const fsdprt_collective_desc &desc,
                                             const Dispatch &operation) {
  Kind kind;
  kind.operationClass = OperationClass::Collective;
  kind.what = std::to_string(desc.count) + " " + typeName(desc.dtype);
  std::ostringstream key;
  key << "collective " << int(collective) << " of " << desc.comm << " "
      << kind.what;
  for (int64_t i = 0; i < desc.num_segments; ++i)
    key << " " << desc.segments[i].offset << "+" << desc.segments[i].count;
  kind.key = key.str();
  return testedBy(inner->bindCollective(collective, desc, operation), operation,
                  kind, checkExchange(collective, desc, control(), rank));
}

/// `value`: what is written, where the program says it.
static Kind memoryKind(const char *what, const fsdprt_op &op,
                       const std::string &value = "") {
  Kind kind;
  kind.operationClass = OperationClass::Memory;
  kind.what = std::to_string(op.args[0].bytes) + " bytes";
  kind.key = what + kind.what + " " + value;
  return kind;
}

Device::Bound SelfTestDevice::bindFill(const fsdprt_fill_desc &desc,
                                       const Dispatch &operation) {
  return testedBy(inner->bindFill(desc, operation), operation,
                  memoryKind("fill", desc.op, std::to_string(desc.byte)),
                  checkFill(desc));
}

Device::Bound SelfTestDevice::bindCopy(const fsdprt_copy_desc &desc,
                                       const Dispatch &operation) {
  return testedBy(inner->bindCopy(desc, operation), operation,
                  memoryKind("copy", desc.op), checkCopy(desc));
}

Device::Bound SelfTestDevice::bindConstant(const fsdprt_constant_desc &desc,
                                           const Dispatch &operation) {
  std::string value(static_cast<const char *>(desc.data),
                    size_t(desc.op.args[0].bytes));
  return testedBy(inner->bindConstant(desc, operation), operation,
                  memoryKind("constant", desc.op, value), checkConstant(desc));
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Status SelfTestDevice::beginPhase(int phase, int64_t number) {
  step = number;
  for (const auto &kind : all)
    kind->isMet = false;
  timer.beginPhase("", numTimed);
  return inner->beginPhase(phase, number);
}

Status SelfTestDevice::run(const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(inner->enqueue(operation));
  return inner->drain();
}

Status SelfTestDevice::enqueue(const Dispatch &operation) {
  auto found = tested.find(&operation);
  if (found == tested.end())
    return inner->enqueue(operation);
  Kind &kind = *found->second.kind;
  bool isFirst = !kind.isMet;
  kind.count = isFirst ? 1 : kind.count + 1;
  kind.isMet = true;
  return isFirst ? examine(operation, found->second)
                 : inner->enqueue(operation);
}

std::string SelfTestDevice::placeOf(const Dispatch &operation) const {
  return operationName(*operation.op, operation.index()) + " " +
         (step < 0 ? "before the first step"
                   : "in step " + std::to_string(step + 1));
}

Status SelfTestDevice::examine(const Dispatch &operation, Tested &tested) {
  FSDPRT_RETURN_IF_ERROR(inner->drain());
  constexpr int32_t any = FSDPRT_ACCESS_READ | FSDPRT_ACCESS_WRITE;
  Expected<HostArguments> before = copies->read(operation, any);
  if (!before.ok())
    return before.status();
  FSDPRT_RETURN_IF_ERROR(run(operation));
  Expected<HostArguments> after = copies->read(operation, FSDPRT_ACCESS_WRITE);
  if (!after.ok())
    return after.status();
  Expected<Difference> difference = tested.check->compare(*before, *after);
  if (!difference.ok())
    return difference.status();
  Kind &kind = *tested.kind;
  kind.keep(*difference, placeOf(operation));
  if (std::exchange(kind.isTimed, true))
    return Status();
  FSDPRT_RETURN_IF_ERROR(time(operation, kind, *before, *after));
  if (onKind)
    onKind(kind);
  return Status();
}

/// By the device's own clock, which its traces have.
Expected<double> SelfTestDevice::secondsOf(const Dispatch &operation) {
  timer.beginPhase("", ++numTimed);
  FSDPRT_RETURN_IF_ERROR(run(operation));
  double seconds = -1;
  for (const TraceSpan &span : timer.take())
    if (span.step == numTimed && span.op == operation.op &&
        span.kind == TraceSpan::Kind::Dispatch)
      seconds = double(span.end - span.begin) * 1e-9;
  return seconds;
}

/// Median of some runs, each from what was there before; the last one's results
/// have the bits of the first's.
Status SelfTestDevice::time(const Dispatch &operation, Kind &kind,
                            const HostArguments &before,
                            const HostArguments &after) {
  bool restores = readsItsResults(operation);
  std::vector<double> seconds;
  for (int i = 0; i < kRuns; ++i) {
    if (restores)
      FSDPRT_RETURN_IF_ERROR(copies->restore(operation, before));
    Expected<double> one = secondsOf(operation);
    if (!one.ok())
      return one.status();
    seconds.push_back(*one);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
  kind.seconds = seconds[kRuns / 2];
  Expected<HostArguments> again = copies->read(operation, FSDPRT_ACCESS_WRITE);
  if (!again.ok())
    return again.status();
  for (size_t i = 0; i < again->size(); ++i) {
    Difference difference =
        compareBytes((*again)[i].data(), after[i].data(), (*again)[i].size());
    difference.where = "run again on the same, byte";
    if (difference.isWrong() && !kind.worst.isWrong())
      kind.keep(difference, placeOf(operation));
  }
  return Status();
}

Expected<double> SelfTestDevice::copySpeed() {
  constexpr int64_t least = 1 << 20, most = 256 << 20, alignment = 256;
  DeviceRange largest;
  for (const DeviceRange &arena : arenas)
    if (arena.bytes > largest.bytes)
      largest = arena;
  int64_t bytes = std::min(most, largest.bytes / 2 / alignment * alignment);
  if (bytes < least)
    return 0.0;
  fsdprt_arg args[] = {{0, FSDPRT_ACCESS_READ, 0, bytes, -1},
                       {0, FSDPRT_ACCESS_WRITE, bytes, bytes, -1}};
  fsdprt_copy_desc copy = {{"self_test_copy", "", "", args, nullptr, 2, 0,
                            FSDPRT_STREAM_COMPUTE, -1}};
  Dispatch dispatch;
  dispatch.op = &copy.op;
  dispatch.mark = FlightMark(copy.op, 0);
  dispatch.args = {largest.begin, largest.begin + bytes};
  Bound work = inner->bindCopy(copy, dispatch);
  if (!work.ok())
    return work.status();
  dispatch.work = std::move(*work);
  double fastest = 0;
  for (int i = 0; i < kRuns; ++i) {
    Expected<double> seconds = secondsOf(dispatch);
    if (!seconds.ok())
      return seconds.status();
    if (i == 0 || *seconds < fastest)
      fastest = *seconds;
  }
  return fastest > 0 ? 2 * double(bytes) / fastest : 0.0;
}
