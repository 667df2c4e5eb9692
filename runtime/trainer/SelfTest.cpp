//===- SelfTest.cpp - Does every operation compute what it should ---------===//

#include "trainer/SelfTest.h"

#include "io/OutputFile.h"
#include "selftest/Numbers.h"
#include "trainer/Input.h"
#include "trainer/MakeDevice.h"

#include <algorithm>
#include <cstdio>

using namespace fsdprt;

static constexpr int64_t kSteps = 2;

/// Operations are compared one by one.
static RunOptions withoutGraphs(RunOptions options) {
  options.graph = "off";
  return options;
}

SelfTest::SelfTest(const RunOptions &given, const Manifest &manifest,
                   const RankSetup &setup)
    : options(withoutGraphs(given)), manifest(manifest), setup(setup),
      rank(setup.communicator->rank()), program(options, manifest, setup) {}

void SelfTest::showProgress(const selftest::Kind &kind) {
  ++numCompared;
  if (rank != 0 || !setup.terminal)
    return;
  std::printf("\r%lld kinds of operations compared, last %s\033[K",
              (long long)numCompared, kind.name.c_str());
  std::fflush(stdout);
}

Status SelfTest::load() {
  FSDPRT_RETURN_IF_ERROR(program.openParameters());
  if (!options.data.empty()) {
    auto opened = openData(options, manifest, rank);
    if (!opened.ok())
      return opened.status();
    data = std::move(*opened);
  }
  auto makeTested = deviceOf(options, manifest, setup);
  return program.load(
      program.contextOptions(),
      [&](Communicator &communicator,
          Device::Options asked) -> Expected<std::unique_ptr<Device>> {
        auto made = selftest::SelfTestDevice::create(
            manifest, rank, std::move(asked),
            [&](Device::Options own) {
              return makeTested(communicator, std::move(own));
            },
            [this](const selftest::Kind &kind) { showProgress(kind); });
        if (!made.ok())
          return made.status();
        device = made->get();
        return std::unique_ptr<Device>(std::move(*made));
      });
}

/// Tokens that are labels too.
Status SelfTest::fill(const InputSpec &input, int64_t microbatch, void *to) {
  if (data)
    return data->fill(input,
                      options.skipRows + microbatch * data->rowsPerBatch(), to);
  auto below = uint64_t(std::min(manifest.tokenRows, manifest.vocabSize));
  uint64_t seed =
      options.seed + uint64_t(microbatch * manifest.worldSize() + rank);
  for (int64_t i = 0; i < manifest.batch * manifest.seq; ++i) {
    uint64_t token = selftest::mixed((seed << 32) + uint64_t(i)) % below;
    if (input.place.dtype == FSDPRT_I64)
      static_cast<int64_t *>(to)[i] = int64_t(token);
    else
      static_cast<int32_t *>(to)[i] = int32_t(token);
  }
  return Status();
}

Status SelfTest::runStep(int64_t step) {
  FSDPRT_RETURN_IF_ERROR(program.runMicrobatches(
      step, options.learningRate,
      [&](const InputSpec &input, int64_t number, void *to) {
        return fill(input, step * options.accumulate + number, to);
      }));
  return program.runPhases(Runs::Update, step);
}

Status SelfTest::tell(const selftest::Result &result) const {
  if (setup.terminal)
    std::printf("\r\033[K");
  selftest::printResult(result);
  if (options.metrics.empty())
    return Status();
  Expected<std::unique_ptr<OutputFile>> file =
      OutputFile::create(options.metrics);
  FSDPRT_RETURN_IF_ERROR(file.status());
  FSDPRT_RETURN_IF_ERROR(
      (*file)->append(selftest::resultAsJson(result, *device)));
  return (*file)->finish();
}

Status SelfTest::run() {
  FSDPRT_RETURN_IF_ERROR(load());
  FSDPRT_RETURN_IF_ERROR(program.runPhases(Runs::Once, -1));
  for (int64_t step = 0; step < kSteps; ++step)
    FSDPRT_RETURN_IF_ERROR(runStep(step));
  Expected<selftest::Result> result = selftest::gatherResult(*device, rank);
  if (!result.ok())
    return result.status();
  Status told = rank == 0 ? tell(*result) : Status();
  // A rank that fails ends the others: not before all is told.
  FSDPRT_RETURN_IF_ERROR(device->control().gatherValues(0).status());
  if (result->worstRank == rank)
    return Status::failure(selftest::describeWorst(*device));
  return told.ok() ? told
                   : failure("cannot write the table to '", options.metrics,
                             "': ", told.message());
}
