//===- CommandLine.cpp - What fsdp-run was asked to do --------------------===//

#include "trainer/CommandLine.h"

#include "abi/fsdprt.h"
#include "trainer/Failure.h"
#include "trainer/OptionChecks.h"
#include "trainer/OptionGroups.h"
#include "trainer/Schedule.h"
#include "trainer/UsageMessages.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

using namespace fsdprt;

/// Which steps to trace. "" if all is well.
static std::string parseTraceSteps(RunOptions &options) {
  const std::string &text = options.traceSteps;
  if (options.trace.empty())
    return "";
  if (options.steps == 0)
    return "--trace needs --steps";
  if (options.steps == kNoLastStep && text.empty())
    return "--trace needs --steps, whose last 3 are traced, or --trace-steps";
  options.traceFirst = std::max<int64_t>(0, options.steps - 3);
  options.traceEnd = options.steps;
  if (text.empty())
    return "";
  const char *end = text.data() + text.size();
  int64_t first = 0, last = 0;
  auto begin = std::from_chars(text.data(), end, first);
  bool hasColon =
      begin.ec == std::errc() && begin.ptr != end && *begin.ptr == ':';
  auto rest = hasColon ? std::from_chars(begin.ptr + 1, end, last) : begin;
  if (!hasColon || rest.ec != std::errc() || rest.ptr != end)
    return "cannot read --trace-steps '" + text +
           "', expected two numbers: 10:12";
  if (first < 1 || first > last || last > options.steps)
    return "--trace-steps is " + text +
           ", expected 1 <= A <= B <= --steps, which is " +
           std::to_string(options.steps);
  options.traceFirst = first - 1; // the program counts from 0
  options.traceEnd = last;
  return "";
}

/// The file of rates, where there is one. "" if all is well.
static std::string readSchedule(RunOptions &options) {
  if (options.schedule.rfind(kPiecewise, 0) != 0)
    return "";
  return readRates(options.schedule.substr(std::strlen(kPiecewise)),
                   options.rates);
}

static std::nullopt_t refuse(const std::string &problem) {
  std::fprintf(stderr, "fsdp-run: error: %s; see fsdp-run --help\n",
               oneLine(problem).c_str());
  return std::nullopt;
}

/// --data and --labels take all names that follow, also the program's where it
/// comes after them.
static bool takeProgram(RunOptions &options) {
  for (std::vector<std::string> *names : {&options.data, &options.labels})
    for (auto name = names->begin(); name != names->end(); ++name) {
      std::error_code error;
      if (!std::filesystem::exists(*name + "/manifest.json", error))
        continue;
      options.program = *name;
      names->erase(name);
      return true;
    }
  return false;
}

std::optional<RunOptions> fsdprt::parseCommandLine(int argc, char **argv,
                                                   int &exitCode) {
  CLI::App app(
      "Trains a program that fsdp-compile made.\n\n"
      "  fsdp-run -n 2 model.fsdp --data text.txt --tokenizer bytes "
      "--steps 200 --lr 3e-4\n\n"
      "Starts the ranks by mpirun, or by itself where it is built "
      "without MPI and they have GPUs; under mpirun, srun or torchrun "
      "it is one of them. Ranks with a GPU each that MPI does not know "
      "meet by NCCL, at NCCL_COMM_ID or the port after MASTER_PORT at "
      "MASTER_ADDR.",
      "fsdp-run");
  RunOptions options;
  app.add_option("program", options.program, "folder made by fsdp-compile")
      ->type_name("MODEL.fsdp")
      ->required();
  addTrainingOptions(app, options);
  addDataOptions(app, options);
  addEvaluationOptions(app, options);
  addParameterOptions(app, options);
  addCheckpointOptions(app, options);
  addReportOptions(app, options);
  addMachineOptions(app, options);
  app.set_version_flag("--version",
                       "fsdp-run " FSDP_VERSION " (ABI " +
                           std::to_string(FSDPRT_ABI_VERSION) + ")",
                       "Print the version and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    std::fputs(app.help().c_str(), stdout);
    exitCode = 0;
    return std::nullopt;
  } catch (const CLI::CallForVersion &version) {
    std::printf("%s\n", version.what());
    exitCode = 0;
    return std::nullopt;
  } catch (const CLI::ExtrasError &) {
    exitCode = 2;
    return refuse(unknownArgument(app));
  } catch (const CLI::RequiredError &error) { // all that is given is read
    if (!takeProgram(options)) {
      exitCode = 2;
      return refuse(inOurWords(error.what()));
    }
  } catch (const CLI::ParseError &error) {
    exitCode = 2;
    return refuse(inOurWords(error.what()));
  }
  IsGiven isGiven = [&](const char *option) { return app.count(option) > 0; };
  bool endsOtherwise = isGiven("--max-tokens") || isGiven("--max-time");
  if (endsOtherwise && !isGiven("--steps"))
    options.steps = kNoLastStep;
  std::string problem = readSchedule(options);
  if (problem.empty())
    problem = checkNumbers(options, isGiven);
  if (problem.empty())
    problem = checkTogether(options, isGiven);
  if (problem.empty())
    problem = parseTraceSteps(options);
  if (!problem.empty()) {
    exitCode = 2;
    return refuse(problem);
  }
  return options;
}
