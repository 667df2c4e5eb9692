//===- Resume.h - Going on where a run has ended ----------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_RESUME_H
#define FSDPRT_TRAINER_RESUME_H

#include "abi/Context.h"
#include "checkpoint/Reader.h"
#include "io/TokenData.h"
#include "trainer/CommandLine.h"

namespace fsdprt {

/// What is wrong with the checkpoint that is gone on from, with what can be
/// done about it where `latest` has found one that is damaged.
Status damaged(const RunOptions &options, const Status &why);

/// Finds what --resume names, for options.resumeFrom and what of it the options
/// have: "" where `latest` finds none yet. Fails where --skip-rows says another
/// beginning than the run's.
Status findResumed(RunOptions &options);

/// What a checkpoint says of the run, but for counters and files.
Expected<CheckpointIndex> describeRun(const RunOptions &options,
                                      const Manifest &manifest,
                                      const TokenData &data);

/// That the run may go on from the checkpoint, and has steps left.
Status checkResumed(const CheckpointReader &checkpoint,
                    const CheckpointIndex &run, const RunOptions &options);

/// That the program has the checkpoint's parameters and states, whatever the
/// data: all that evaluating it takes.
Status checkEvaluated(const CheckpointReader &checkpoint,
                      const Manifest &manifest);

/// What a run with --resume begins with, in words.
std::string describeBeginning(const RunOptions &options,
                              const Counters &counters);

/// What of the learning rate's schedule is other than `before`, which the
/// checkpoint's run had; "" if nothing is.
std::string describeOtherSchedule(const CheckpointSchedule &before,
                                  const RunOptions &options);

/// That --checkpoint-dir has no checkpoint beyond the steps that the run does
/// not make again, which it would come upon.
Status checkNothingLater(const RunOptions &options, int64_t firstStep);

/// Before anything is started: that --checkpoint-dir can be written, is no
/// other run's, and --resume can go on. By one process for all.
Status checkCheckpoints(const RunOptions &options, const Manifest &manifest,
                        const TokenData &data);

/// The same where nothing is trained: that the one of --resume can be
/// evaluated.
Status checkCheckpoint(const RunOptions &options, const Manifest &manifest);

/// All ranks: that they go on from the same checkpoint, and that its files have
/// their sums, each checked by one of them.
Status verifyCheckpoint(const CheckpointReader &checkpoint,
                        fsdprt_context &context);

/// Fills the optimizer's states, after the phases that run once.
Status resumeStates(const CheckpointReader &checkpoint,
                    fsdprt_context &context);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_RESUME_H
