//===- CheckpointOptions.cpp - Options of checkpoints ---------------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addCheckpointOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--checkpoint-dir", options.checkpointDir,
                 "folder for checkpoints, step-N: taken after the last step, "
                 "on SIGUSR1, and on SIGTERM, which then ends the run with "
                 "status 75 (both at the end of the step; a second SIGTERM "
                 "does not wait for it)")
      ->type_name("D")
      ->group("Checkpoints");
  app.add_option("--checkpoint-every", options.checkpointEvery,
                 "take one every N steps too")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Checkpoints");
  app.add_option("--keep", options.keep,
                 "remove the oldest of this run but K once a newer one is "
                 "complete (default: none)")
      ->type_name("K")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Checkpoints");
  app.add_flag("--checkpoint-wait", options.checkpointWait,
               "train on when a checkpoint is complete (default: meanwhile, up "
               "to the next update; on GPUs always)")
      ->disable_flag_override()
      ->group("Checkpoints");
  app.add_option("--resume", options.resume,
                 "go on from a checkpoint, on any mesh: latest of "
                 "--checkpoint-dir (from the beginning, with --weights, if "
                 "it has none), or D/step-N; --steps counts from the "
                 "beginning, and without it --eval-data is evaluated")
      ->type_name("latest|D/step-N")
      ->group("Checkpoints");
}
