//===- fsdp-ckpt.cpp - Looks at checkpoints and makes others of them ------===//

#include "Commands.h"

#include <CLI/CLI.hpp>

#include <cstdio>

/// CLI11 names neither the word that is no command nor the commands.
static std::string describe(const CLI::App &app, const CLI::ParseError &error,
                            const char *word) {
  if (!app.get_subcommands().empty() || error.get_name() != "RequiredError")
    return error.what();
  std::string known;
  for (const CLI::App *command : app.get_subcommands(nullptr))
    known += (known.empty() ? "" : ", ") + command->get_name();
  return (word ? "'" + std::string(word) + "' is no command"
               : "no command is given") +
         ", expected one of " + known;
}

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
                 describe(app, error, argc > 1 ? argv[1] : nullptr).c_str());
    return 2;
  }
  return fsdprt::ckpt::run(command);
}
