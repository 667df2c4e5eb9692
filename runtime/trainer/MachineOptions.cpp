//===- MachineOptions.cpp - Options of where and how ranks run ------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addMachineOptions(CLI::App &app, RunOptions &options) {
  app.add_option("-n,--ranks", options.ranks,
                 "ranks to start; must be the product of the program's mesh, "
                 "which is the default")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int>, "", ""))
      ->group("Machine");
  app.add_option("--comm", options.comm,
                 "mpi: ranks are processes (default on CPUs; on GPUs data goes "
                 "through the host, and ranks may share one); nccl: processes "
                 "with a GPU each (default on GPUs); thread: threads of this "
                 "process")
      ->type_name("NAME")
      ->check(CLI::IsMember({"mpi", "nccl", "thread"}))
      ->group("Machine");
  app.add_option(
         "--threads", options.threads,
         "threads a rank computes with (default: the cores that the host's "
         "ranks may use, by affinity and CPU quota, divided among them)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int>, "", ""))
      ->group("Machine");
  app.add_flag("--ignore-memory", options.ignoreMemory,
               "start although the plan does not fit into the memory that is "
               "free now; what does not, swaps or is killed (on CPUs: a GPU's "
               "memory does not swap)")
      ->disable_flag_override()
      ->group("Machine");
  app.add_option("--timeout", options.timeoutSeconds,
                 "seconds without any progress after which a rank counts as "
                 "stuck (default 60; at least 20 for ranks to start)")
      ->type_name("S")
      ->group("Machine");
  app.add_option("--graph", options.graph,
                 "on (default) or off: on GPUs, launch what a microbatch does "
                 "as one CUDA graph after the first step, and so an update")
      ->type_name("WORD")
      ->check(CLI::IsMember({"off", "on"}))
      ->group("Machine");
  app.add_option("--autotune", options.autotune,
                 "on GPUs, compute products by the fastest algorithms: those "
                 "that FILE has for this GPU, driver and library; others are "
                 "measured, and FILE is written (default: the library guesses)")
      ->type_name("FILE")
      ->group("Machine");
  app.add_option("--peak-tflops", options.peakTeraflops,
                 "what a rank's processor could do at best, in 10^12 "
                 "floating-point operations a second: the metric mfu is the "
                 "share of it that the model's products use (default: that of "
                 "the GPU, where it is known)")
      ->type_name("X")
      ->group("Machine");
  app.add_option("--comm-delay", options.commDelayMilliseconds,
                 "least time that each collective takes, to see how much of a "
                 "slow network is hidden (default 0)")
      ->type_name("MS")
      ->group("Machine");
  app.add_flag("--checked", options.checked,
               "guard pages around the arenas, NaN in what is not written yet "
               "or used no more; on GPUs: wait for each operation, so that the "
               "one that fails is named")
      ->disable_flag_override()
      ->group("Machine");
}
