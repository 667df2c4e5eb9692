//===- EvaluationOptions.cpp - Options of validation ----------------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addEvaluationOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--eval-data", options.evalData,
                 "files as for --data whose loss is told without training on "
                 "them, each window once: after the last step, and with "
                 "--steps 0 of the parameters as they are")
      ->type_name("FILE")
      ->group("Validation");
  app.add_option("--eval-labels", options.evalLabels, "as --labels, of them")
      ->type_name("FILE")
      ->group("Validation");
  app.add_option("--eval-every", options.evalEvery,
                 "evaluate after every N steps (default: after the last)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Validation");
  app.add_option("--eval-batches", options.evalBatches,
                 "evaluate the first M batches of all ranks (default: all)")
      ->type_name("M")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Validation");
  app.add_flag("--eval-ema", options.evalEma,
               "evaluate the average of the parameters instead of them; for a "
               "program compiled with --ema")
      ->disable_flag_override()
      ->group("Validation");
}
