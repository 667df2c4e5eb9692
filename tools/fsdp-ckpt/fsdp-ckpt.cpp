//===- fsdp-ckpt.cpp - Looks at checkpoints and makes others of them ------===//

#include "Commands.h"

#include <CLI/CLI.hpp>

#include <cstdio>

int main(int argc, char **argv) {
  CLI::App app("Looks at checkpoints that fsdp-run made, and makes others of "
               "them. Nothing is written to a checkpoint that is there.",
               "fsdp-ckpt");
  app.require_subcommand(1);
  fsdprt::ckpt::Command command;
  fsdprt::ckpt::addCommands(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError &error) {
    std::fprintf(stderr, "fsdp-ckpt: error: %s; see fsdp-ckpt --help\n",
                 error.what());
    return 2;
  }
  return fsdprt::ckpt::run(command);
}
