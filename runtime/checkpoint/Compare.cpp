//===- Compare.cpp - May a run go on from a checkpoint --------------------===//

#include "checkpoint/Compare.h"

#include "core/DType.h"

#include <algorithm>
#include <set>

using namespace fsdprt;

static std::string listStates(const CheckpointParameter &parameter) {
  std::string text;
  for (const CheckpointState &state : parameter.states)
    text += (text.empty() ? "" : ", ") + state.name + " (" +
            (state.elements < 0 ? "" : std::to_string(state.elements) + " ") +
            lookupDType(state.dtype)->name + ")";
  return text.empty() ? "none" : text;
}

static Status compare(const CheckpointParameter &saved,
                      const CheckpointParameter &own) {
  const std::string name = "parameter '" + own.names[0] + "' ";
  if (saved.shape != own.shape)
    return failure(name, "has shape ", shapeString(saved.shape),
                   " in it, expected ", shapeString(own.shape));
  if (saved.dtype != own.dtype)
    return failure(name, "has dtype ", lookupDType(saved.dtype)->name,
                   " in it, expected ", lookupDType(own.dtype)->name);
  if (saved.isCompiled != own.isCompiled || saved.trainable != own.trainable)
    return failure(name, "is ", saved.trainable ? "" : "not ",
                   "trained in it, and is ", own.trainable ? "" : "not ",
                   "by this program");
  return Status();
}

static Status compareParameters(const CheckpointReader &checkpoint,
                                const CheckpointIndex &run) {
  std::set<const CheckpointParameter *> met;
  for (const CheckpointParameter &own : run.parameters) {
    const CheckpointParameter *saved = checkpoint.find(own.names[0]);
    if (!saved)
      return failure("it is of another model, '", checkpoint.index().model,
                     "': it has no parameter '", own.names[0], "'");
    met.insert(saved);
    FSDPRT_RETURN_IF_ERROR(compare(*saved, own));
  }
  for (const CheckpointParameter &saved : checkpoint.index().parameters)
    if (!met.count(&saved))
      return failure("it is of another model, '", checkpoint.index().model,
                     "': this program has no parameter '", saved.names[0], "'");
  return Status();
}

/// A rule's numbers may be others, as in PyTorch: states mean the same then.
static Status compareOptimizers(const CheckpointReader &checkpoint,
                                const CheckpointIndex &run) {
  const std::string &saved = checkpoint.index().optimizer;
  if (saved != run.optimizer)
    return failure(
        "its optimizer is ", saved.empty() ? "none" : saved, ", expected ",
        run.optimizer.empty() ? "none" : run.optimizer,
        saved.empty() ? "" : ": compile the program with --optimizer " + saved);
  for (const CheckpointParameter &own : run.parameters) {
    std::string states = listStates(*checkpoint.find(own.names[0]));
    if (states != listStates(own))
      return failure("the optimizer's states of parameter '", own.names[0],
                     "' are ", states, " in it, expected ", listStates(own),
                     ": compile the program with the other options of the "
                     "optimizer that the checkpoint's had (--optimizer-dtype, "
                     "--ema, --momentum)");
  }
  return Status();
}

static const char *onOff(bool value) { return value ? "on" : "off"; }

/// The rows that come next are rows of the same data in the same order.
static Status compareData(const CheckpointIndex &saved,
                          const CheckpointIndex &own) {
  if (saved.data.seq != own.data.seq)
    return failure("its rows have ", saved.data.seq, " tokens, expected ",
                   own.data.seq, ": compile the program with the same --dim");
  if (saved.seed != own.seed)
    return failure("its seed is ", saved.seed, ", this run's ", own.seed,
                   ": give --seed ", saved.seed);
  if (saved.data.shuffle != own.data.shuffle)
    return failure("its data was read with --shuffle ",
                   onOff(saved.data.shuffle), ", this run has --shuffle ",
                   onOff(own.data.shuffle));
  if (saved.data.weights != own.data.weights)
    return failure("its data was mixed by '", saved.data.weights,
                   "', this run's --weights-of-data is '", own.data.weights,
                   "'");
  if (saved.data.tokens != own.data.tokens)
    return failure("its data has ", saved.data.tokens, " tokens, this run's ",
                   own.data.tokens);
  if (saved.data.sum != own.data.sum)
    return failure("its data has as many tokens as this run's, but others: "
                   "give --data the same files, in the same format and order");
  return Status();
}

static Status compareStates(const CheckpointReader &checkpoint,
                            const CheckpointIndex &program) {
  const CheckpointIndex &saved = checkpoint.index();
  FSDPRT_RETURN_IF_ERROR(compareParameters(checkpoint, program));
  if (saved.vocabSize != program.vocabSize)
    return failure("its loss has ", saved.vocabSize, " classes, expected ",
                   program.vocabSize);
  return compareOptimizers(checkpoint, program);
}

static Status inContext(const CheckpointReader &checkpoint,
                        const Status &status) {
  return status.ok()
             ? status
             : failure("cannot go on from checkpoint '", checkpoint.folder(),
                       "': ", status.message(), "; --weights '",
                       checkpoint.folder(), "' takes its parameters alone");
}

Status fsdprt::checkSameStates(const CheckpointReader &checkpoint,
                               const CheckpointIndex &program) {
  return inContext(checkpoint, compareStates(checkpoint, program));
}

Status fsdprt::checkSameRun(const CheckpointReader &checkpoint,
                            const CheckpointIndex &run) {
  Status status = compareStates(checkpoint, run);
  if (status.ok())
    status = compareData(checkpoint.index(), run);
  return inContext(checkpoint, status);
}
