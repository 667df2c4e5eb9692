//===- Issue.cpp - The way of every call of the program -------------------===//

#include "abi/Issue.h"

#include "core/OperationName.h"

#include <algorithm>

using namespace fsdprt;

static Status resolve(const fsdprt_context &context, const fsdprt_arg &arg,
                      int number, std::vector<DeviceAddress> &resolved) {
  if (arg.arena < 0 || arg.arena >= int32_t(context.arenas.size()))
    return failure("argument ", number, " is in arena ", arg.arena,
                   ", which does not exist");
  const fsdprt_context::Memory &arena = context.arenas[arg.arena];
  if (arg.offset < 0 || arg.bytes < 0 || arg.offset > arena.bytes ||
      arg.bytes > arena.bytes - arg.offset)
    return failure("argument ", number, " takes bytes [", arg.offset, ", ",
                   arg.offset + arg.bytes, "), outside of arena '", arena.name,
                   "' of ", arena.bytes, " bytes");
  resolved.push_back(arena.begin + arg.offset);
  return Status();
}

/// What of the arguments that an operation writes a checkpoint reads.
static int64_t savedBefore(const fsdprt_context &context, const fsdprt_op &op) {
  int64_t bytes = 0;
  for (int32_t i = 0; context.gate && i < op.num_args; ++i)
    if (op.args[i].access & FSDPRT_ACCESS_WRITE)
      bytes = std::max(bytes, context.gate->bytesBefore(op.args[i].arena,
                                                        op.args[i].offset,
                                                        op.args[i].bytes));
  return bytes;
}

Expected<std::unique_ptr<Operation>>
fsdprt::prepareOperation(fsdprt_context &context, const fsdprt_op &op) {
  if (op.stream < 0 || op.stream >= FSDPRT_NUM_STREAMS)
    return failure("stream ", op.stream, " does not exist");
  int64_t index = context.operations.index();
  auto operation = std::make_unique<Operation>();
  Dispatch &dispatch = operation->dispatch;
  dispatch.op = &op;
  dispatch.mark = FlightMark(op, index);
  for (int32_t i = 0; i < op.num_args; ++i)
    FSDPRT_RETURN_IF_ERROR(resolve(context, op.args[i], i, dispatch.args));
  operation->savedFirst = savedBefore(context, op);
  dispatch.dying = context.dyingAfter(index);
  context.recorder.record(index, op);
  return operation;
}

fsdprt_status fsdprt::failOperation(fsdprt_context &context,
                                    const fsdprt_op &op, const Status &status) {
  // A failure of another thread has its own operation in its message.
  if (context.device->failed()) {
    context.error = context.device->status();
    return 1;
  }
  context.error =
      failure(operationName(op, context.operations.index()),
              phaseName(context.phase, context.step), ": ", status.message());
  return 1;
}
