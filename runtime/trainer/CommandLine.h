//===- CommandLine.h - What fsdp-run was asked to do ------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_COMMANDLINE_H
#define FSDPRT_TRAINER_COMMANDLINE_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fsdprt {

/// More steps than are ever made; exact in floating point.
constexpr int64_t kNoLastStep = int64_t(1) << 53;

/// The learning rate from step `step` on, counted from 1.
struct RatePoint {
  int64_t step = 0;
  double rate = 0;
};

struct RunOptions {
  std::string program;      // folder
  int ranks = 0;            // 0: as many as the program's mesh has
  std::string graph = "on"; // on GPUs: a step is one launch
  std::string comm;         // "": what the program's device wants
  std::string autotune;     // on GPUs: file; "": nothing is measured

  std::vector<std::string> data, labels; // files and folders
  std::string tokenizer;
  std::string dataWeights; // "2,1", one for each of `data`; "": by length
  bool shuffle = true;
  std::vector<std::string> evalData, evalLabels; // the same, to evaluate
  int64_t evalEvery = 0;                         // steps; 0: after the last
  int64_t evalBatches = 0; // of all ranks; 0: all of the data
  bool evalEma = false;    // the averages of the parameters, not themselves
  int64_t skipRows = 0;    // of the data, before the run's first step
  uint64_t seed = 0;

  int64_t steps = 0;      // kNoLastStep where something else ends the run
  int64_t maxTokens = 0;  // 0: as many as the steps take
  std::string maxTime;    // "30m"; "": as long as the steps take
  int64_t accumulate = 1; // microbatches a step
  double learningRate = 1e-3, minLearningRate = 0;
  std::string schedule = "constant";
  int64_t warmup = 0, decaySteps = 0;
  int64_t tokenSteps = 0; // that the schedule is over where --max-tokens says
                          // how long the run is; 0: over `steps`
  std::vector<RatePoint> rates; // of --schedule piecewise:FILE

  std::string weights, save, saveEma, stripPrefix;
  std::string checkpointDir, resume; // "": none
  std::string resumeFrom; // the checkpoint that `resume` leads to; "": none
  int64_t stepsBefore = 0, rowsBefore = 0; // that it has trained, and on
  int64_t checkpointEvery = 0, keep = 0;   // 0: not, all
  bool checkpointWait = false;
  std::string metrics, records, trace;
  std::string traceSteps;               // as given, "" or "10:12"
  int64_t traceFirst = 0, traceEnd = 0; // steps [first, end) are traced
  bool checkPlan = false, checked = false, ignoreMemory = false;
  bool selfTest = false, info = false;
  int threads = 0; // 0: cores divided by the ranks of the host
  double timeoutSeconds = 60;
  double commDelayMilliseconds = 0;
  double peakTeraflops = 0; // 0: what is known of the chip
};

/// Parses and checks; nothing if the caller should exit with `exitCode` (after
/// --help, or an error that has been printed).
std::optional<RunOptions> parseCommandLine(int argc, char **argv,
                                           int &exitCode);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_COMMANDLINE_H
