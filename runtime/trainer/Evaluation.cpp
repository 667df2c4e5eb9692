//===- Evaluation.cpp - The loss on data not trained on -------------------===//

#include "trainer/Evaluation.h"

#include "trainer/Averages.h"
#include "trainer/Failure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

using namespace fsdprt;

/// Where the model makes its labels of the tokens, none of them can be one that
/// is not counted.
static bool canPad(const Manifest &manifest) {
  return std::any_of(
      manifest.inputs.begin(), manifest.inputs.end(),
      [](const InputSpec &input) { return input.role == "labels"; });
}

Evaluation::Evaluation(const RunOptions &options, const Manifest &manifest,
                       TokenData opened)
    : options(&options), manifest(&manifest), data(std::move(opened)) {
  int64_t windows = data.numWindows(), rows = data.rowsPerBatch();
  batches = canPad(manifest) ? (windows + rows - 1) / rows : windows / rows;
  if (options.evalBatches > 0)
    batches = std::min(batches, options.evalBatches);
}

Expected<Evaluation> Evaluation::open(const RunOptions &options,
                                      const Manifest &manifest, int rank) {
  if (!manifest.phaseThatRuns(Runs::Evaluate))
    return failure("'", manifest.folder,
                   "' cannot evaluate: it has no phase "
                   "for that; compile it again");
  TokenData::Options asked;
  asked.paths = options.evalData;
  asked.tokenizer = options.tokenizer;
  asked.labels = options.evalLabels;
  asked.shuffle = false;
  asked.rank = rank;
  asked.world = int(manifest.worldSize());
  Expected<TokenData> data = TokenData::open(manifest, std::move(asked));
  if (!data.ok())
    return failure("--eval-data: ", data.status().message());
  Evaluation evaluation(options, manifest, std::move(*data));
  if (evaluation.batches == 0)
    return failure("--eval-data: '", options.evalData.front(), "' has ",
                   evaluation.data.numWindows(), " windows of ", manifest.seq,
                   " tokens, expected at least the ",
                   evaluation.data.rowsPerBatch(),
                   " of a batch of all ranks: the model makes its labels of "
                   "the tokens, so none can be left uncounted");
  return evaluation;
}

bool Evaluation::isDue(int64_t steps, bool isLast) const {
  return options->evalEvery > 0 ? steps % options->evalEvery == 0 : isLast;
}

/// Phases read where parameters are: averages take their place meanwhile.
Expected<std::optional<EvaluationResult>>
Evaluation::run(LoadedProgram &program, int64_t step,
                const std::function<Expected<bool>()> &isToStop) const {
  auto start = std::chrono::steady_clock::now();
  fsdprt_context &context = program.context();
  if (options->evalEma)
    FSDPRT_RETURN_IF_ERROR(exchangeAverages(context));
  auto result = runBatches(program, step, isToStop);
  if (options->evalEma && result.ok())
    FSDPRT_RETURN_IF_ERROR(exchangeAverages(context));
  if (!result.ok() || !*result)
    return result;
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  (*result)->milliseconds = seconds.count() * 1000;
  if ((*result)->tokens > 0 && !std::isfinite((*result)->loss))
    reportWarning("the loss on --eval-data is not finite");
  return result;
}

Expected<std::optional<EvaluationResult>>
Evaluation::runBatches(LoadedProgram &program, int64_t step,
                       const std::function<Expected<bool>()> &isToStop) const {
  double sum = 0, tokens = 0;
  for (int64_t batch = 0; batch < batches; ++batch) {
    fsdprt_context &context = program.context();
    for (const InputSpec &input : manifest->inputs)
      FSDPRT_RETURN_IF_ERROR(data.fillOnce(input, batch * data.rowsPerBatch(),
                                           context.hostWrite(input.place)));
    FSDPRT_RETURN_IF_ERROR(program.runPhases(Runs::Evaluate, step));
    for (auto [name, total] : {std::make_pair("eval_loss_sum", &sum),
                               std::make_pair("eval_tokens", &tokens)}) {
      Expected<double> read = context.readResult(name);
      if (!read.ok())
        return read.status();
      *total += *read;
    }
    if (batch + 1 == batches)
      break;
    Expected<bool> stops = isToStop();
    if (!stops.ok())
      return stops.status();
    if (*stops)
      return std::optional<EvaluationResult>();
  }
  EvaluationResult result;
  result.loss = sum / tokens;
  result.tokens = int64_t(tokens);
  result.ofAverages = options->evalEma;
  return std::optional<EvaluationResult>(result);
}

std::string Evaluation::hint() const {
  int64_t left = data.numWindows() - batches * data.rowsPerBatch();
  if (left <= 0 || options->evalBatches > 0)
    return "";
  return "--eval-data: the last " + std::to_string(left) + " of " +
         std::to_string(data.numWindows()) +
         " windows fill no batch of all ranks and are left out: the model "
         "makes its labels of the tokens";
}
