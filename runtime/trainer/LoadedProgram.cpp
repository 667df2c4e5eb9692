//===- LoadedProgram.cpp - A program on one rank, ready to run ------------===//

#include "trainer/LoadedProgram.h"

#include "trainer/Input.h"
#include "trainer/Metrics.h"
#include "trainer/SameInput.h"
#include "trainer/SameProgram.h"

#include <algorithm>
#include <cstdio>

using namespace fsdprt;

LoadedProgram::LoadedProgram(const RunOptions &options,
                             const Manifest &manifest, const RankSetup &setup)
    : options(options), manifest(manifest), setup(setup),
      rank(setup.communicator->rank()),
      scalars{{"rank", double(rank)},
              {"microbatches", double(options.accumulate)}} {}

Status LoadedProgram::openParameters() {
  FlightSlot *slot = setup.flight->slotOfRank(rank);
  auto opened =
      openLoader(options, manifest, rank, [slot] { markProgress(slot); });
  if (!opened.ok())
    return opened.status();
  loader = std::move(*opened);
  const std::vector<std::string> &unused = loader->unusedTensors();
  if (rank == 0 && !unused.empty())
    std::printf("--weights: %s of '%s' no parameter of the program: %s%s\n",
                unused.size() == 1
                    ? "a tensor is"
                    : (std::to_string(unused.size()) + " tensors are").c_str(),
                options.weights.c_str(), ("'" + unused.front() + "'").c_str(),
                unused.size() > 1 ? ", ..." : "");
  return Status();
}

fsdprt_context::Options LoadedProgram::contextOptions() const {
  fsdprt_context::Options asked;
  asked.threads = options.threads ? options.threads : setup.threads;
  asked.checked = options.checked;
  asked.timeoutSeconds = options.timeoutSeconds;
  asked.commDelaySeconds = options.commDelayMilliseconds / 1000;
  return asked;
}

Status LoadedProgram::load(fsdprt_context::Options asked,
                           const fsdprt_context::MakeDevice &makeDevice) {
  auto loaded = Program::load(manifest);
  if (!loaded.ok())
    return loaded.status();
  program = std::move(*loaded);
  auto created = fsdprt_context::create(manifest, *setup.communicator,
                                        setup.flight, asked, makeDevice);
  if (!created.ok())
    return created.status();
  made = std::move(*created);
  made->loader = &*loader;
  // Ranks that are threads have loaded one.
  if (!setup.sharedProcess && setup.communicator->size() > 1) {
    Control &control = made->device->control();
    FSDPRT_RETURN_IF_ERROR(
        checkSameProgram(control, rank, setup.flight, options.program));
    FSDPRT_RETURN_IF_ERROR(
        checkSameInput(control, rank, setup.flight, options, manifest));
  }
  FSDPRT_RETURN_IF_ERROR(program->prepare(*made));
  FSDPRT_RETURN_IF_ERROR(made->allocate());
  if (std::optional<DeviceMemory> memory = made->device->memory();
      memory && rank == 0)
    printDeviceMemory(*memory,
                      size_t(std::count_if(
                          manifest.arenas.begin(), manifest.arenas.end(),
                          [](const ArenaSpec &arena) { return arena.bytes; })));
  return Status();
}

Status LoadedProgram::runPhases(Runs when, int64_t step) {
  for (const PhaseSpec &phase : manifest.phases)
    if (phase.runs == when) {
      for (const auto &[name, value] : scalars)
        made->writeScalar(name, value);
      made->writeScalar("seed", options.seed);
      FSDPRT_RETURN_IF_ERROR(program->run(*made, phase, step));
    }
  return Status();
}

Status LoadedProgram::runMicrobatches(int64_t step, double learningRate,
                                      const FillInput &fill) {
  auto run = [&](int64_t number, std::initializer_list<Runs> phases) {
    for (const InputSpec &input : manifest.inputs)
      FSDPRT_RETURN_IF_ERROR(fill(input, number, made->hostWrite(input.place)));
    scalars["microbatch"] = double(number);
    for (Runs runs : phases)
      FSDPRT_RETURN_IF_ERROR(runPhases(runs, step));
    return Status();
  };
  scalars["lr"] = learningRate;
  scalars["step"] = double(step + 1);
  const int64_t count = options.accumulate;
  for (int64_t i = 0; count > 1 && i < count; ++i)
    FSDPRT_RETURN_IF_ERROR(run(i, {Runs::Count}));
  FSDPRT_RETURN_IF_ERROR(runPhases(Runs::Gather, step));
  for (int64_t i = 0; i < count; ++i)
    FSDPRT_RETURN_IF_ERROR(run(i, {Runs::Microbatch, Runs::Accumulate}));
  return Status();
}
