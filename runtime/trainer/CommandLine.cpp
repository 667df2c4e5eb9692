//===- CommandLine.cpp - What fsdp-run was asked to do --------------------===//

#include "trainer/CommandLine.h"

#include "abi/fsdprt.h"
#include "trainer/Failure.h"
#include "trainer/OptionChecks.h"

#include <CLI/CLI.hpp>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>
#include <vector>

using namespace fsdprt;

/// CLI11 wraps a number below the type's range, and cuts one above it. What is
/// no number at all it finds by itself.
template <typename T> static std::string checkWhole(const std::string &text) {
  bool isNumber = text.find_first_not_of("0123456789", text[0] == '-') ==
                      std::string::npos &&
                  text.size() > size_t(text[0] == '-');
  T value = 0;
  const char *end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, value);
  if (!isNumber || (read.ec == std::errc() && read.ptr == end))
    return "";
  return "is " + text + ", expected a whole number in [0, " +
         std::to_string(std::numeric_limits<T>::max()) + "]";
}

static void addDataOptions(CLI::App &app, RunOptions &options,
                           std::string &shuffle) {
  app.add_option("--data", options.data,
                 "text, or tokens as .u16 or .u32 (little-endian)")
      ->type_name("FILE")
      ->group("Data");
  app.add_option("--tokenizer", options.tokenizer,
                 "how text becomes tokens: bytes")
      ->type_name("NAME")
      ->group("Data");
  app.add_option(
         "--labels", options.labels,
         "one int32 a token, of the token at its place: shifted by one as the "
         "tokens are; -100 is ignored by the loss (default: the tokens)")
      ->type_name("FILE")
      ->group("Data");
  app.add_option(
         "--shuffle", shuffle,
         "on (default): windows in an order chosen by --seed; off: file order")
      ->type_name("on|off")
      ->check(CLI::IsMember({"on", "off"}))
      ->group("Data");
  app.add_option("--seed", options.seed,
                 "of the data's order and of initial values (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<uint64_t>, "", ""))
      ->group("Data");
}

static void addTrainingOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--steps", options.steps,
                 "updates to make (default 0: only --save); the first is step "
                 "1, here and in every report")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--lr", options.learningRate, "learning rate (default 1e-3)")
      ->type_name("X")
      ->group("Training");
  app.add_option("--schedule", options.schedule, "constant (default) or cosine")
      ->type_name("NAME")
      ->check(CLI::IsMember({"constant", "cosine"}))
      ->group("Training");
  app.add_option("--warmup", options.warmup,
                 "steps of warm-up: step s has lr * (s - 1) / N (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Training");
  app.add_option("--min-lr", options.minLearningRate,
                 "where cosine ends (default 0)")
      ->type_name("X")
      ->group("Training");
}

static void addFileOptions(CLI::App &app, RunOptions &options,
                           std::string &traceSteps) {
  app.add_option(
         "--weights", options.weights,
         "start from a .safetensors file, or a Hugging Face index (default: as "
         "compiled)")
      ->type_name("FILE")
      ->group("Parameters");
  app.add_option("--save", options.save,
                 "write the trained parameters as .safetensors")
      ->type_name("FILE")
      ->group("Parameters");
  app.add_option("--strip-prefix", options.stripPrefix,
                 "remove a wrapper's prefix from the saved names")
      ->type_name("PREFIX")
      ->group("Parameters");
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
  app.add_option("--trace-steps", traceSteps,
                 "steps to trace, A to B (default: the last 3)")
      ->type_name("A:B")
      ->group("Reports");
  app.add_flag("--check-plan", options.checkPlan,
               "compare the records with the memory plan at the end")
      ->disable_flag_override()
      ->group("Reports");
}

static void addMachineOptions(CLI::App &app, RunOptions &options) {
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
                 "on (default) or off: on GPUs, launch a whole step as one "
                 "CUDA graph after the first one")
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

/// Which steps to trace. "" if all is well.
static std::string parseTraceSteps(const std::string &text,
                                   RunOptions &options) {
  if (options.trace.empty())
    return "";
  if (options.steps == 0)
    return "--trace needs --steps";
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

static std::nullopt_t refuse(const std::string &problem) {
  std::fprintf(stderr, "fsdp-run: error: %s; see fsdp-run --help\n",
               oneLine(problem).c_str());
  return std::nullopt;
}

/// "; did you mean --steps?", or "" where nothing is near.
static std::string didYouMean(const std::string &given,
                              const std::vector<std::string> &known) {
  size_t least = std::max<size_t>(1, given.size() / 3) + 1;
  std::string nearest;
  for (const std::string &name : known)
    if (size_t distance = editDistance(given, name); distance < least) {
      least = distance;
      nearest = name;
    }
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

/// CLI11's "--comm: thred not in {mpi,thread}".
static std::optional<std::string> unknownValue(const std::string &complaint) {
  size_t value = complaint.find(": "), list = complaint.rfind(" not in {");
  if (value == std::string::npos || list == std::string::npos || list < value)
    return std::nullopt;
  std::string given = complaint.substr(value + 2, list - value - 2), name;
  std::istringstream names(complaint.substr(list + 9));
  std::vector<std::string> known;
  while (std::getline(names, name, ','))
    known.push_back(name.back() == '}' ? name.substr(0, name.size() - 1)
                                       : name);
  std::string expected;
  for (size_t i = 0; i < known.size(); ++i)
    expected += (i == 0                  ? ""
                 : i + 1 == known.size() ? " or "
                                         : ", ") +
                known[i];
  return "unknown " + complaint.substr(0, value) + " '" + given +
         "', expected " + expected + didYouMean(given, known);
}

/// The first of the arguments that nobody expected.
static std::string unknownArgument(const CLI::App &app) {
  std::string given = app.remaining().front();
  std::vector<std::string> known;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      known.push_back("--" + name);
  return "the following argument was not expected: " + given +
         didYouMean(given.substr(0, given.find('=')), known);
}

/// CLI11's complaint, as our messages are: "Could not convert: --steps = x".
static std::string inOurWords(std::string complaint) {
  if (std::optional<std::string> unknown = unknownValue(complaint))
    return *unknown;
  const std::string conversion = "Could not convert: ";
  size_t value = complaint.find(" = ");
  if (complaint.compare(0, conversion.size(), conversion) == 0 &&
      value != std::string::npos)
    return "cannot read " +
           complaint.substr(conversion.size(), value - conversion.size()) +
           " '" + complaint.substr(value + 3) + "', expected a number";
  if (complaint == "program is required")
    return "no program is given, the folder MODEL.fsdp that fsdp-compile made";
  const std::string valueOfFlag = " was given a disallowed flag override";
  if (size_t flag = complaint.find(valueOfFlag); flag != std::string::npos)
    return "--" + complaint.substr(0, flag) + " takes no value";
  if (size_t whole = complaint.find(": is "); whole != std::string::npos)
    return complaint.erase(whole, 1); // checkWhole's
  size_t count = complaint.find(": At Most 1 required but received ");
  if (count != std::string::npos)
    return complaint.substr(0, count) + " is given " +
           complaint.substr(complaint.rfind(' ') + 1) +
           " times, expected at most once";
  if (!complaint.empty())
    complaint[0] = char(std::tolower(complaint[0]));
  return complaint;
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
  std::string shuffle = "on", traceSteps;
  app.add_option("program", options.program, "folder made by fsdp-compile")
      ->type_name("MODEL.fsdp")
      ->required();
  addTrainingOptions(app, options);
  addDataOptions(app, options, shuffle);
  addFileOptions(app, options, traceSteps);
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
  } catch (const CLI::ParseError &error) {
    exitCode = 2;
    return refuse(inOurWords(error.what()));
  }
  options.shuffle = shuffle == "on";
  IsGiven isGiven = [&](const char *option) { return app.count(option) > 0; };
  std::string problem = checkNumbers(options, isGiven);
  if (problem.empty())
    problem = checkTogether(options, isGiven);
  if (problem.empty())
    problem = parseTraceSteps(traceSteps, options);
  if (!problem.empty()) {
    exitCode = 2;
    return refuse(problem);
  }
  return options;
}

double fsdprt::learningRateAt(const RunOptions &options, int64_t step) {
  if (step < options.warmup)
    return options.learningRate * double(step) / double(options.warmup);
  if (options.schedule == "constant")
    return options.learningRate;
  double progress =
      double(step - options.warmup) /
      double(std::max<int64_t>(1, options.steps - options.warmup));
  return options.minLearningRate +
         0.5 * (options.learningRate - options.minLearningRate) *
             (1 + std::cos(3.14159265358979323846 * progress));
}
