//===- Commands.h - What fsdp-ckpt can do -----------------------*- C++ -*-===//

#ifndef FSDP_CKPT_COMMANDS_H
#define FSDP_CKPT_COMMANDS_H

#include "core/Status.h"

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace fsdprt::ckpt {

/// What was asked for.
struct Command {
  std::string checkpoint, other, output;
  bool ema = false;                                 // export the averages
  std::string maxShard = "5GB", dtype, stripPrefix; // of an export
  std::string onnx, program;
  int ranks = 0;
  bool states = false;
  /// Prints what is asked for to standard output. The exit status, or why
  /// there is none.
  std::function<Expected<int>(const Command &)> run;
};

void addCommands(CLI::App &app, Command &command);

/// Runs it, and says what is wrong. Returns the process' exit status.
int run(const Command &command);

} // namespace fsdprt::ckpt

#endif // FSDP_CKPT_COMMANDS_H
