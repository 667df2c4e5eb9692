//===- LoadedProgram.h - A program on one rank, ready to run ----*- C++ -*-===//

#ifndef FSDPRT_TRAINER_LOADEDPROGRAM_H
#define FSDPRT_TRAINER_LOADEDPROGRAM_H

#include "abi/Context.h"
#include "trainer/Program.h"
#include "trainer/Trainer.h"

namespace fsdprt {

/// What the phases of a program need, from parameters to memory.
class LoadedProgram {
public:
  /// What the arguments refer to outlives it.
  LoadedProgram(const RunOptions &options, const Manifest &manifest,
                const RankSetup &setup);

  /// Finds the parameters that the rank is to load.
  Status openParameters();
  /// Loads the code, makes the device and, when all ranks have the same program
  /// and the device can compute it, the arenas.
  Status load(fsdprt_context::Options options,
              const fsdprt_context::MakeDevice &makeDevice);
  /// What every run asks of the context.
  fsdprt_context::Options contextOptions() const;

  /// Runs the phases of `when`, in the manifest's order; `step` is -1 outside
  /// of steps.
  Status runPhases(Runs when, int64_t step);

  /// Writes one of the inputs of a microbatch, which is counted in its step.
  using FillInput =
      std::function<Status(const InputSpec &, int64_t number, void *to)>;
  /// Runs the phases of a step but its update (abi/runs.def).
  Status runMicrobatches(int64_t step, double learningRate,
                         const FillInput &fill);

  fsdprt_context &context() { return *made; }
  /// What openParameters() has found.
  const ParameterLoader &parameters() const { return *loader; }

private:
  const RunOptions &options;
  const Manifest &manifest;
  const RankSetup &setup;
  const int rank;
  std::optional<ParameterLoader> loader;
  std::unique_ptr<Program> program;
  std::unique_ptr<fsdprt_context> made; // ends before what it works on

  // What phases are told (abi/roles.def), but for the seed.
  std::map<std::string, double> scalars;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_LOADEDPROGRAM_H
