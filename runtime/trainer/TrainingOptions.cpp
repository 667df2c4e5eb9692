//===- TrainingOptions.cpp - Options of updates ---------------------------===//

#include "trainer/OptionGroups.h"
#include "trainer/Schedule.h"

using namespace fsdprt;

/// A name that is known, or a file of rates.
static std::string checkScheduleName(std::string &text) {
  static const CLI::IsMember names({"constant", "linear", "cosine",
                                    "inverse_sqrt", "wsd", "piecewise:FILE"});
  return text.rfind(kPiecewise, 0) == 0 ? "" : names(text);
}

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
  app.add_option(
         "--schedule", options.schedule,
         "constant (default), linear, cosine, inverse_sqrt, wsd (warm-up, "
         "stable, decay), or piecewise:FILE, lines of a step and the rate from "
         "it on")
      ->type_name("NAME")
      ->check(CLI::Validator(checkScheduleName, "", ""))
      ->group("Training");
  app.add_option("--warmup", options.warmup,
                 "steps of warm-up: step s has lr * (s - 1) / N (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--min-lr", options.minLearningRate,
                 "where linear, cosine and wsd end, and what inverse_sqrt does "
                 "not go below (default 0)")
      ->type_name("X")
      ->group("Training");
  app.add_option("--decay-steps", options.decaySteps,
                 "steps at the end in which the rate of wsd falls")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
}
