//===- Commands.cpp - What fsdp-ckpt can do -------------------------------===//

#include "Commands.h"

#include "Run.h"

#include <CLI/CLI.hpp>

#include <cstdio>

using namespace fsdprt;
using namespace fsdprt::ckpt;

static CLI::App *add(CLI::App &app, Command &command, const char *name,
                     const char *description,
                     Expected<int> (*run)(const Command &)) {
  CLI::App *added = app.add_subcommand(name, description);
  added->callback([&command, run] { command.run = run; });
  return added;
}

static void addCheckpoint(CLI::App &app, Command &command) {
  app.add_option("checkpoint", command.checkpoint, "a checkpoint's folder")
      ->type_name("D/step-N")
      ->required();
}

static void addExport(CLI::App &app, Command &command) {
  CLI::App *added =
      add(app, command, "export",
          "write the parameters as safetensors that transformers loads, or "
          "into a copy of the ONNX file that was compiled",
          runExport);
  addCheckpoint(*added, command);
  added
      ->add_option("output", command.output,
                   "folder to write into; it is made, and nothing in it is "
                   "replaced")
      ->type_name("FOLDER")
      ->required();
  added
      ->add_option("--max-shard", command.maxShard,
                   "most bytes of a file's tensors: 5GB (default), 800MB, "
                   "2GiB; more than one file get an index")
      ->type_name("SIZE");
  added
      ->add_option("--dtype", command.dtype,
                   "float32, float16 or bfloat16 (default: as stored)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  added->add_flag("--ema", command.ema,
                  "the averages of the trained parameters in their place; of a "
                  "program compiled with --ema");
  added
      ->add_option("--strip-prefix", command.stripPrefix,
                   "remove a wrapper's prefix from the names")
      ->type_name("PREFIX");
  added
      ->add_option("--onnx", command.onnx,
                   "instead: write a copy of this model, and of its external "
                   "data, with the checkpoint's parameters; needs --program")
      ->type_name("MODEL.onnx");
  added
      ->add_option("--program", command.program,
                   "the program that was compiled from the model of --onnx")
      ->type_name("MODEL.fsdp");
}

static void addReshard(CLI::App &app, Command &command) {
  CLI::App *added = add(app, command, "reshard",
                        "write the same checkpoint for other ranks, each of "
                        "which then reads a file of its own",
                        runReshard);
  addCheckpoint(*added, command);
  added
      ->add_option("output", command.output,
                   "folder of checkpoints, in which step-N is made")
      ->type_name("FOLDER")
      ->required();
  added
      ->add_option("-n,--ranks", command.ranks,
                   "an equal part of each parameter for each of so many ranks")
      ->type_name("N")
      ->check(CLI::Range(1, 65536));
  added
      ->add_option("--program", command.program,
                   "what each rank of this program owns")
      ->type_name("MODEL.fsdp");
}

void ckpt::addCommands(CLI::App &app, Command &command) {
  CLI::App *list = add(app, command, "list",
                       "the complete checkpoints of a folder", runList);
  list->add_option("folder", command.checkpoint, "of --checkpoint-dir")
      ->type_name("D")
      ->required();
  addCheckpoint(*add(app, command, "show",
                     "what a checkpoint is: step, data, optimizer, mesh, sizes",
                     runShow),
                command);
  addCheckpoint(*add(app, command, "verify",
                     "read all files and compare their sums; status 1 if one "
                     "is damaged",
                     runVerify),
                command);
  addExport(app, command);
  addReshard(app, command);
  CLI::App *diff = add(app, command, "diff",
                       "the largest relative difference of each tensor; status "
                       "0 if all are equal, 1 if not, 2 if they cannot be "
                       "compared",
                       runDiff);
  addCheckpoint(*diff, command);
  diff->add_option("other", command.other, "another checkpoint of the model")
      ->type_name("D/step-M")
      ->required();
}

int ckpt::run(const Command &command) {
  Expected<int> status = command.run(command);
  if (status.ok() && std::fflush(stdout) == 0)
    return *status;
  std::string problem = status.ok() ? "not all could be written to standard "
                                      "output"
                                    : status.status().message();
  std::fprintf(stderr, "fsdp-ckpt: error: %s\n", oneLine(problem).c_str());
  return 2;
}
