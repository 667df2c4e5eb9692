//===- UsageMessages.h - What is wrong with a command line ------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_USAGEMESSAGES_H
#define FSDPRT_TRAINER_USAGEMESSAGES_H

#include <CLI/CLI.hpp>

#include <string>

namespace fsdprt {

/// The first of the arguments that nobody expected, and what may be meant.
std::string unknownArgument(const CLI::App &app);

/// CLI11's complaint, as our messages are: "Could not convert: --steps = x".
std::string inOurWords(std::string complaint);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_USAGEMESSAGES_H
