//===- TrainingOptions.cpp - Options of updates ---------------------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addTrainingOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--steps", options.steps,
                 "updates to make (default 0: only --save); the first is step "
                 "1, here and in every report")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--max-tokens", options.maxTokens,
                 "end with the step by which all ranks have trained on as many "
                 "tokens; without --steps, as many steps as that takes")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--max-time", options.maxTime,
                 "end with the step that the time runs out in, of which there "
                 "is 30m, 2h, or a number of seconds, loading included; then "
                 "save as at the last step")
      ->type_name("TIME")
      ->group("Training");
  app.add_option("--accumulate", options.accumulate,
                 "microbatches a step, each of the program's batch on every "
                 "rank: their gradients are summed up before the update, the "
                 "loss is the mean over all of them (default 1)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--lr", options.learningRate, "learning rate (default 1e-3)")
      ->type_name("X")
      ->group("Training");
  app.add_option("--schedule", options.schedule, "constant (default) or cosine")
      ->type_name("NAME")
      ->check(CLI::IsMember({"constant", "cosine"}))
      ->group("Training");
  app.add_option("--warmup", options.warmup,
                 "steps of warm-up: step s has lr * (s - 1) / N (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--min-lr", options.minLearningRate,
                 "where cosine ends (default 0)")
      ->type_name("X")
      ->group("Training");
}
