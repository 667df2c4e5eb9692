//===- Program.h - A compiled program, loaded -------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_PROGRAM_H
#define FSDPRT_TRAINER_PROGRAM_H

#include "abi/fsdprt.h"
#include "core/Manifest.h"

#include <memory>

namespace fsdprt {

/// Fails if this host lacks a feature that the program was compiled for.
Status checkTarget(const Manifest &manifest);

/// Fails if the shared object imports anything that could allocate memory or
/// do input and output behind the plan's back.
Status checkImports(const std::string &path);

class Program {
public:
  using Phase = fsdprt_status (*)(fsdprt_context *);

  /// Loads program.so of the manifest's folder and finds its phases. Its
  /// imports have been checked.
  static Expected<std::unique_ptr<Program>> load(const Manifest &manifest);
  ~Program();

  /// Prepares every product: fails, naming it, if this host cannot compute one.
  Status prepare(fsdprt_context &context) const;

  /// Runs one phase; `step` is -1 outside of steps.
  Status run(fsdprt_context &context, const PhaseSpec &phase,
             int64_t step) const;

private:
  Program() = default;

  void *handle = nullptr;
  std::map<std::string, Phase> phases; // by name
  const fsdprt_gemm_table *gemms = nullptr;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_PROGRAM_H
