//===- ReportOptions.cpp - Options of what is told of a run ---------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addReportOptions(CLI::App &app, RunOptions &options) {
  app.add_flag("--info", options.info,
               "instead of training: print what the program is: target, mesh, "
               "batch, phases, units, planned peak")
      ->disable_flag_override()
      ->group("Reports");
  app.add_option("--metrics", options.metrics, "one JSON line a step")
      ->type_name("FILE")
      ->group("Reports");
  app.add_option("--records", options.records,
                 "every argument of every operation as JSON; of rank r > 0 to "
                 "FILE.r")
      ->type_name("FILE")
      ->group("Reports");
  app.add_flag("--self-test", options.selfTest,
               "instead of training: run each kind of operation that the "
               "program has, two steps of it, and compare what it computes "
               "with the CPU; prints a table (--metrics: as JSON lines), and "
               "fails if anything differs. Without --data tokens are random")
      ->disable_flag_override()
      ->group("Reports");
  app.add_option("--trace", options.trace,
                 "when each operation ran on which stream of which rank, for "
                 "ui.perfetto.dev and fsdp-compile --measured")
      ->type_name("FILE")
      ->group("Reports");
  app.add_option("--trace-steps", options.traceSteps,
                 "steps to trace, A to B (default: the last 3)")
      ->type_name("A:B")
      ->group("Reports");
  app.add_flag("--check-plan", options.checkPlan,
               "compare the records with the memory plan at the end")
      ->disable_flag_override()
      ->group("Reports");
}
