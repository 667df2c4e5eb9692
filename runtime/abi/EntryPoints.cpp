//===- EntryPoints.cpp - The functions of functions.def -------------------===//
//
// What is particular to each; what they have in common is in Issue.h. Each says
// once, when its operation is bound, what the device is to do.
//
//===----------------------------------------------------------------------===//

#include "abi/Issue.h"

using namespace fsdprt;

static_assert(sizeof(fsdprt_arg) == 32, "part of the ABI");
static_assert(sizeof(fsdprt_op) == 56, "part of the ABI");
static_assert(sizeof(fsdprt_launch_desc) == 96, "part of the ABI");
static_assert(sizeof(fsdprt_gemm_desc) == 280, "part of the ABI");
static_assert(sizeof(fsdprt_segment) == 16, "part of the ABI");
static_assert(sizeof(fsdprt_collective_desc) == 96, "part of the ABI");
static_assert(sizeof(fsdprt_fill_desc) == 64, "part of the ABI");
static_assert(sizeof(fsdprt_copy_desc) == 56, "part of the ABI");
static_assert(sizeof(fsdprt_constant_desc) == 64, "part of the ABI");
static_assert(sizeof(fsdprt_unit_desc) == 64, "part of the ABI");
static_assert(sizeof(fsdprt_join_desc) == 56, "part of the ABI");

#pragma GCC visibility push(default)
#define FSDPRT_FUNCTION(NAME, DESC, SUMMARY)                                   \
  extern "C" fsdprt_status NAME(fsdprt_context *, const DESC *);
#include "abi/functions.def"
#pragma GCC visibility pop

static Status expectArguments(const fsdprt_op &op, int32_t count) {
  if (op.num_args == count)
    return Status();
  return failure("expected ", count, " arguments, got ", op.num_args);
}

//===----------------------------------------------------------------------===//
// Computing
//===----------------------------------------------------------------------===//

fsdprt_status fsdprt_launch(fsdprt_context *context,
                            const fsdprt_launch_desc *desc) {
  return issue(context, desc, [&](Operation &operation) {
    return context->device->bindLaunch(*desc, operation.dispatch);
  });
}

fsdprt_status fsdprt_gemm(fsdprt_context *context,
                          const fsdprt_gemm_desc *desc) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    Device::Bound work =
        context->device->bindProduct(*desc, operation.dispatch);
    if (work.ok())
      operation.counts.products = ProductWork(*desc);
    return work;
  });
}

fsdprt_status fsdprt_fill(fsdprt_context *context,
                          const fsdprt_fill_desc *desc) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    FSDPRT_RETURN_IF_ERROR(expectArguments(desc->op, 1));
    return context->device->bindFill(*desc, operation.dispatch);
  });
}

fsdprt_status fsdprt_copy(fsdprt_context *context,
                          const fsdprt_copy_desc *desc) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    FSDPRT_RETURN_IF_ERROR(expectArguments(desc->op, 2));
    int64_t bytes = desc->op.args[0].bytes;
    if (desc->op.args[1].bytes != bytes)
      return failure("copies ", bytes, " bytes into ", desc->op.args[1].bytes);
    if (context->holdsParameters(desc->op.args[0].buffer) ||
        context->holdsParameters(desc->op.args[1].buffer))
      operation.counts.copied = bytes;
    return context->device->bindCopy(*desc, operation.dispatch);
  });
}

fsdprt_status fsdprt_constant(fsdprt_context *context,
                              const fsdprt_constant_desc *desc) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    FSDPRT_RETURN_IF_ERROR(expectArguments(desc->op, 1));
    return context->device->bindConstant(*desc, operation.dispatch);
  });
}

//===----------------------------------------------------------------------===//
// Communicating
//===----------------------------------------------------------------------===//

/// A collective is by a communicator of the program, on its stream.
static Status checkCommunicator(const fsdprt_context &context,
                                const fsdprt_collective_desc &desc) {
  const auto &known = context.manifest.communicators;
  if (desc.comm < 0 || desc.comm >= int32_t(known.size()))
    return failure("communicator ", desc.comm, " is not in the manifest");
  const CommunicatorSpec &communicator = known[desc.comm];
  if (desc.op.stream != communicator.stream)
    return failure("it is on stream ", desc.op.stream, ", expected ",
                   communicator.stream, ", that of communicator '",
                   communicator.name, "'");
  return Status();
}

static fsdprt_status communicate(fsdprt_context *context,
                                 const fsdprt_collective_desc *desc,
                                 CollectiveKind kind) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    FSDPRT_RETURN_IF_ERROR(checkCommunicator(*context, *desc));
    if (kind == CollectiveKind::AllGather)
      operation.counts.gathered = desc->payload_bytes;
    if (kind == CollectiveKind::ReduceScatter)
      operation.counts.reduced = desc->payload_bytes;
    return context->device->bindCollective(kind, *desc, operation.dispatch);
  });
}

fsdprt_status fsdprt_all_gather(fsdprt_context *context,
                                const fsdprt_collective_desc *desc) {
  return communicate(context, desc, CollectiveKind::AllGather);
}

fsdprt_status fsdprt_reduce_scatter(fsdprt_context *context,
                                    const fsdprt_collective_desc *desc) {
  return communicate(context, desc, CollectiveKind::ReduceScatter);
}

fsdprt_status fsdprt_all_reduce(fsdprt_context *context,
                                const fsdprt_collective_desc *desc) {
  return communicate(context, desc, CollectiveKind::AllReduce);
}

//===----------------------------------------------------------------------===//
// Parameters in and out, end of a phase
//===----------------------------------------------------------------------===//

/// The line of a unit descriptor, if its one argument has the line's bytes
/// times `parts`.
static Status checkLine(const fsdprt_context &context,
                        const fsdprt_unit_desc &desc, int64_t parts) {
  FSDPRT_RETURN_IF_ERROR(expectArguments(desc.op, 1));
  const std::vector<UnitSpec> &units = context.manifest.units;
  if (desc.unit_index < 0 || desc.unit_index >= int32_t(units.size()) ||
      desc.line < 0 ||
      desc.line >= int32_t(units[desc.unit_index].lines.size()))
    return failure("unit ", desc.unit_index, ", line ", desc.line,
                   " is not in the manifest");
  int64_t expected =
      units[desc.unit_index].lines[desc.line].shard.bytes * parts;
  if (desc.op.args[0].bytes != expected)
    return failure("the argument has ", desc.op.args[0].bytes,
                   " bytes, expected ", expected);
  return Status();
}

fsdprt_status fsdprt_load(fsdprt_context *context,
                          const fsdprt_unit_desc *desc) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    FSDPRT_RETURN_IF_ERROR(checkLine(*context, *desc, 1));
    auto load = [context, desc](void *const *host) -> Status {
      if (!context->loader)
        return failure("there is nothing to load from");
      return context->loader->loadLine(desc->unit_index, desc->line, host[0]);
    };
    return context->device->bindHost(load, operation.dispatch);
  });
}

fsdprt_status fsdprt_store(fsdprt_context *context,
                           const fsdprt_unit_desc *desc) {
  return issue(context, desc, [&](Operation &operation) -> Device::Bound {
    FSDPRT_RETURN_IF_ERROR(checkLine(*context, *desc, context->world()));
    auto store = [context, desc](void *const *host) -> Status {
      if (!context->saver) // only one rank writes
        return Status();
      return context->saver->storeLine(desc->unit_index, desc->line, host[0]);
    };
    return context->device->bindHost(store, operation.dispatch);
  });
}

fsdprt_status fsdprt_join(fsdprt_context *context,
                          const fsdprt_join_desc *desc) {
  return issue(context, desc, [&](Operation &operation) {
    return context->device->bindJoin(operation.dispatch);
  });
}
