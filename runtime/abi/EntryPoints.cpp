//===- EntryPoints.cpp - The functions of functions.def -------------------===//
//
// Every function does the same around its own work: it resolves and checks the
// arguments, records them, waits for events on the compute stream or hands the
// work to the communication thread, and turns failures into a status whose
// message names rank, operation, unit, phase and step. No exception leaves.
//
//===----------------------------------------------------------------------===//

#include "abi/Context.h"

#include "comm/Collective.h"

#include <cstring>
#include <exception>

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

namespace {

/// One call of the program on its way to a stream.
class Operation {
public:
  Operation(fsdprt_context &context, const fsdprt_op &op)
      : context(context), op(op), index(context.nextOperation++) {}

  void *const *args() const { return pointers.data(); }

  /// Checks and records the arguments.
  Status prepare();
  /// Runs `work` now (compute) or on the operation's stream.
  Status dispatch(std::function<Status()> work);
  /// Runs the exchange on the communication thread, then `finish` there. On
  /// the compute stream the caller waits for it.
  Status communicate(int channel, std::vector<Transfer> transfers,
                     std::function<Status()> finish);

  fsdprt_status finish(const Status &status) const;

  /// In a trace: compute was blocked from `begin` to `end`.
  void traceWait(int64_t begin, int64_t end) const;

private:
  Status resolve(const fsdprt_arg &arg, int number);
  Streams::Task makeTask() const;
  void poisonDead();

  fsdprt_context &context;
  const fsdprt_op &op;
  const int64_t index;
  std::vector<void *> pointers;
};

} // namespace

Status Operation::resolve(const fsdprt_arg &arg, int number) {
  if (arg.arena < 0 || arg.arena >= int32_t(context.arenas.size()))
    return failure("argument ", number, " is in arena ", arg.arena,
                   ", which does not exist");
  const Arena &arena = context.arenas[arg.arena];
  if (arg.offset < 0 || arg.bytes < 0 || arg.offset > arena.size() ||
      arg.bytes > arena.size() - arg.offset)
    return failure("argument ", number, " takes bytes [", arg.offset, ", ",
                   arg.offset + arg.bytes, "), outside of arena '",
                   arena.name(), "' of ", arena.size(), " bytes");
  pointers.push_back(arena.base() + arg.offset);
  return Status();
}

Status Operation::prepare() {
  FSDPRT_RETURN_IF_ERROR(context.streams->status());
  if (op.stream < 0 || op.stream >= FSDPRT_NUM_STREAMS)
    return failure("stream ", op.stream, " does not exist");
  pointers.reserve(op.num_args);
  for (int32_t i = 0; i < op.num_args; ++i)
    FSDPRT_RETURN_IF_ERROR(resolve(op.args[i], i));
  context.recorder.record(index, op);
  return Status();
}

Streams::Task Operation::makeTask() const {
  Streams::Task task;
  task.op = &op;
  task.index = index;
  if (context.options.checked)
    for (int32_t i = 0; i < op.num_args; ++i)
      task.uses.emplace_back(static_cast<char *>(pointers[i]),
                             op.args[i].bytes);
  return task;
}

void Operation::poisonDead() {
  if (!context.options.checked)
    return;
  auto phase = context.dying.find(context.phase);
  if (phase == context.dying.end())
    return;
  auto buffers = phase->second.find(index);
  if (buffers == phase->second.end())
    return;
  for (const BufferSpec *buffer : buffers->second)
    context.streams->poisonWhenUnused(
        {context.arenas[buffer->arena].base() + buffer->offset, buffer->bytes});
}

void Operation::traceWait(int64_t begin, int64_t end) const {
  if (context.trace && context.trace->active() &&
      end - begin >= Trace::leastWait)
    context.trace->add(Trace::Program, TraceSpan::Kind::Wait, &op, index, begin,
                       end);
}

Status Operation::dispatch(std::function<Status()> work) {
  if (op.stream != FSDPRT_STREAM_COMPUTE) {
    Streams::Task task = makeTask();
    task.finish = std::move(work);
    context.streams->issue(std::move(task));
    poisonDead();
    return Status();
  }
  bool isTraced = context.trace && context.trace->active();
  int64_t issued = isTraced ? Trace::now() : 0;
  markOperation(context.slot, op, index, OperationState::Issued);
  FSDPRT_RETURN_IF_ERROR(context.streams->waitFor(op.waits, op.num_waits));
  markOperation(context.slot, op, index, OperationState::Started);
  int64_t begin = isTraced ? Trace::now() : 0;
  FSDPRT_RETURN_IF_ERROR(work());
  if (isTraced) {
    if (op.num_waits > 0)
      traceWait(issued, begin);
    context.trace->add(Trace::Program, TraceSpan::Kind::Dispatch, &op, index,
                       begin, Trace::now());
  }
  markOperation(context.slot, op, index, OperationState::Ended);
  poisonDead();
  context.streams->recordEvent(op.record);
  return Status();
}

Status Operation::communicate(int channel, std::vector<Transfer> transfers,
                              std::function<Status()> finish) {
  Streams::Task task = makeTask();
  task.channel = channel;
  if (context.world() > 1)
    task.transfers = std::move(transfers);
  task.finish = std::move(finish);
  bool wait = op.stream == FSDPRT_STREAM_COMPUTE;
  context.streams->issue(std::move(task));
  if (wait)
    FSDPRT_RETURN_IF_ERROR(
        context.streams->waitForStream(FSDPRT_STREAM_COMPUTE));
  poisonDead();
  return Status();
}

fsdprt_status Operation::finish(const Status &status) const {
  if (status.ok())
    return 0;
  // A failure of another thread has its own operation in its message.
  if (!context.streams->status().ok()) {
    context.error = context.streams->status();
    return 1;
  }
  std::ostringstream text;
  text << "operation " << index << " ('" << op.name << "'";
  if (op.unit[0])
    text << " of unit '" << op.unit << "'";
  text << ") of phase '" << context.phase << "'";
  if (context.step >= 0)
    text << ", step " << context.step + 1; // from 1, as the progress
  context.error = failure(text.str(), ": ", status.message());
  return 1;
}

/// What all entry points share: `body(operation)` does the rest.
template <typename Desc, typename Body>
static fsdprt_status enter(fsdprt_context *context, const Desc *desc,
                           Body body) {
  Operation operation(*context, desc->op);
  Status status;
  try {
    status = operation.prepare();
    if (status.ok())
      status = body(operation);
  } catch (const std::exception &exception) {
    status = failure("unexpected failure: ", exception.what());
  }
  return operation.finish(status);
}

static Status expectArguments(const fsdprt_op &op, int32_t count) {
  if (op.num_args == count)
    return Status();
  return failure("expected ", count, " arguments, got ", op.num_args);
}

//===----------------------------------------------------------------------===//
// Computing
//===----------------------------------------------------------------------===//

static Status runKernel(fsdprt_context &context, const fsdprt_launch_desc &desc,
                        std::vector<void *> args) {
  int workers = context.workers->size();
  char *scratch = nullptr;
  if (desc.scratch_bytes) {
    if (desc.op.num_args < 1 || desc.scratch_bytes < 0 ||
        desc.op.args[desc.op.num_args - 1].bytes < desc.scratch_bytes)
      return failure("the last argument does not hold ", desc.scratch_bytes,
                     " bytes of scratch");
    scratch = static_cast<char *>(args.back());
    args.pop_back();
    workers = int(
        std::min<int64_t>(workers, desc.op.args[desc.op.num_args - 1].bytes /
                                       desc.scratch_bytes));
  }
  auto body = [&](int worker, int64_t begin, int64_t end) {
    return desc.kernel(
        args.data(), scratch ? scratch + worker * desc.scratch_bytes : nullptr,
        begin, end);
  };
  // Off the compute stream the kernel keeps to its own thread.
  fsdprt_status status = desc.op.stream == FSDPRT_STREAM_COMPUTE
                             ? context.workers->run(desc.extent, workers, body)
                             : body(0, 0, desc.extent);
  if (status)
    return failure("the kernel failed with status ", status);
  return Status();
}

fsdprt_status fsdprt_launch(fsdprt_context *context,
                            const fsdprt_launch_desc *desc) {
  return enter(context, desc, [&](Operation &operation) {
    std::vector<void *> args(operation.args(),
                             operation.args() + desc->op.num_args);
    return operation.dispatch([context, desc, args = std::move(args)] {
      return runKernel(*context, *desc, args);
    });
  });
}

fsdprt_status fsdprt_gemm(fsdprt_context *context,
                          const fsdprt_gemm_desc *desc) {
  return enter(context, desc, [&](Operation &operation) -> Status {
    if (desc->op.stream != FSDPRT_STREAM_COMPUTE)
      return failure("a matrix product runs on the compute stream only");
    return operation.dispatch(
        [&] { return context->gemm->run(*desc, operation.args()); });
  });
}

fsdprt_status fsdprt_fill(fsdprt_context *context,
                          const fsdprt_fill_desc *desc) {
  return enter(context, desc, [&](Operation &operation) -> Status {
    FSDPRT_RETURN_IF_ERROR(expectArguments(desc->op, 1));
    void *to = operation.args()[0];
    return operation.dispatch([desc, to] {
      std::memset(to, desc->byte, desc->op.args[0].bytes);
      return Status();
    });
  });
}

fsdprt_status fsdprt_copy(fsdprt_context *context,
                          const fsdprt_copy_desc *desc) {
  return enter(context, desc, [&](Operation &operation) -> Status {
    FSDPRT_RETURN_IF_ERROR(expectArguments(desc->op, 2));
    int64_t bytes = desc->op.args[0].bytes;
    if (desc->op.args[1].bytes != bytes)
      return failure("copies ", bytes, " bytes into ", desc->op.args[1].bytes);
    if (context->holdsParameters(desc->op.args[0].buffer) ||
        context->holdsParameters(desc->op.args[1].buffer))
      context->localCopyBytes += bytes;
    void *from = operation.args()[0], *to = operation.args()[1];
    return operation.dispatch([=] {
      std::memmove(to, from, bytes);
      return Status();
    });
  });
}

fsdprt_status fsdprt_constant(fsdprt_context *context,
                              const fsdprt_constant_desc *desc) {
  return enter(context, desc, [&](Operation &operation) -> Status {
    FSDPRT_RETURN_IF_ERROR(expectArguments(desc->op, 1));
    void *to = operation.args()[0];
    return operation.dispatch([desc, to] {
      std::memcpy(to, desc->data, desc->op.args[0].bytes);
      return Status();
    });
  });
}

//===----------------------------------------------------------------------===//
// Communicating
//===----------------------------------------------------------------------===//

static fsdprt_status communicate(fsdprt_context *context,
                                 const fsdprt_collective_desc *desc,
                                 CollectiveKind kind) {
  return enter(context, desc, [&](Operation &operation) -> Status {
    Expected<Collective> collective = Collective::create(
        kind, *desc, operation.args(), context->rank(), context->world());
    if (!collective.ok())
      return collective.status();
    if (kind == CollectiveKind::AllGather)
      context->gatheredBytes += desc->payload_bytes;
    if (kind == CollectiveKind::ReduceScatter)
      context->reducedBytes += desc->payload_bytes;
    return operation.communicate(desc->comm, collective->transfers(),
                                 [collective = *collective] {
                                   collective.finish();
                                   return Status();
                                 });
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
  return enter(context, desc, [&](Operation &operation) -> Status {
    FSDPRT_RETURN_IF_ERROR(checkLine(*context, *desc, 1));
    void *shard = operation.args()[0];
    return operation.dispatch([context, desc, shard]() -> Status {
      if (!context->loader)
        return failure("there is nothing to load from");
      return context->loader->loadLine(desc->unit_index, desc->line, shard);
    });
  });
}

fsdprt_status fsdprt_store(fsdprt_context *context,
                           const fsdprt_unit_desc *desc) {
  return enter(context, desc, [&](Operation &operation) -> Status {
    FSDPRT_RETURN_IF_ERROR(checkLine(*context, *desc, context->world()));
    void *line = operation.args()[0];
    return operation.dispatch([context, desc, line]() -> Status {
      if (!context->saver) // only one rank writes
        return Status();
      return context->saver->storeLine(desc->unit_index, desc->line, line);
    });
  });
}

fsdprt_status fsdprt_join(fsdprt_context *context,
                          const fsdprt_join_desc *desc) {
  return enter(context, desc, [&](Operation &operation) {
    return operation.dispatch([&]() -> Status {
      int64_t begin = Trace::now();
      FSDPRT_RETURN_IF_ERROR(context->streams->drain());
      operation.traceWait(begin, Trace::now());
      return Status();
    });
  });
}
