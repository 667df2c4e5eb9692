//===- HostCopies.cpp - An operation's memory, on the host ----------------===//

#include "selftest/HostCopies.h"

#include <algorithm>
#include <cstring>
#include <new>

using namespace fsdprt;
using namespace fsdprt::selftest;

static constexpr std::align_val_t kAlignment{256};

/// Devices stage in memory of their own, which is pinned and scarce.
static constexpr int64_t kPieceBytes = int64_t(64) << 20;

void HostBuffer::Free::operator()(char *memory) const {
  ::operator delete(memory, kAlignment);
}

HostBuffer::HostBuffer(int64_t bytes)
    : memory(static_cast<char *>(
          ::operator new(size_t(std::max<int64_t>(bytes, 1)), kAlignment))),
      bytes(bytes) {}

HostBuffer HostBuffer::copy() const {
  HostBuffer other(bytes);
  std::memcpy(other.data(), data(), size_t(bytes));
  return other;
}

std::vector<void *> selftest::pointersTo(const HostArguments &arguments) {
  std::vector<void *> pointers;
  for (const HostBuffer &argument : arguments)
    pointers.push_back(argument.data());
  return pointers;
}

/// Bytes of a result may still be undefined before the operation.
static constexpr int32_t kReadAny = FSDPRT_ACCESS_READ | FSDPRT_ACCESS_SCRATCH;

Status HostCopies::copy(DeviceAddress at, int64_t bytes, int32_t access,
                        char *memory) const {
  fsdprt_arg arg = {0, access, 0, bytes, -1};
  fsdprt_op op = {"self_test_copy",      "", "", &arg, nullptr, 1, 0,
                  FSDPRT_STREAM_COMPUTE, -1};
  Dispatch dispatch;
  dispatch.op = &op;
  dispatch.mark = FlightMark(op, 0);
  dispatch.args = {at};
  auto move = [&](void *const *host) {
    if (access & FSDPRT_ACCESS_READ)
      std::memcpy(memory, host[0], size_t(bytes));
    else
      std::memcpy(host[0], memory, size_t(bytes));
    return Status();
  };
  Device::Bound work = device.bindHost(move, dispatch);
  if (!work.ok())
    return work.status();
  dispatch.work = std::move(*work);
  FSDPRT_RETURN_IF_ERROR(device.enqueue(dispatch));
  return device.drain();
}

Expected<HostArguments> HostCopies::read(const Dispatch &operation,
                                         int32_t access) const {
  const fsdprt_op &op = *operation.op;
  HostArguments arguments(size_t(op.num_args));
  for (int32_t i = 0; i < op.num_args; ++i) {
    const fsdprt_arg &arg = op.args[i];
    if (!(arg.access & access))
      continue;
    arguments[i] = HostBuffer(arg.bytes);
    for (int64_t done = 0; done < arg.bytes; done += kPieceBytes)
      FSDPRT_RETURN_IF_ERROR(copy(operation.args[i] + done,
                                  std::min(kPieceBytes, arg.bytes - done),
                                  kReadAny, arguments[i].data() + done));
  }
  return arguments;
}

Status HostCopies::restore(const Dispatch &operation,
                           const HostArguments &before) const {
  const fsdprt_op &op = *operation.op;
  for (int32_t i = 0; i < op.num_args; ++i)
    for (int64_t done = 0;
         (op.args[i].access & FSDPRT_ACCESS_WRITE) && done < op.args[i].bytes;
         done += kPieceBytes)
      FSDPRT_RETURN_IF_ERROR(
          copy(operation.args[i] + done,
               std::min(kPieceBytes, op.args[i].bytes - done),
               FSDPRT_ACCESS_WRITE, before[i].data() + done));
  return Status();
}
