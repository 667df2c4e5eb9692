//===- SelfTest.h - Does every operation compute what it should -*- C++ -*-===//

#ifndef FSDPRT_TRAINER_SELFTEST_H
#define FSDPRT_TRAINER_SELFTEST_H

#include "io/TokenData.h"
#include "selftest/Report.h"
#include "trainer/LoadedProgram.h"

namespace fsdprt {

/// fsdp-run --self-test: initialises, and makes two updates, so that optimizer
/// states are not zero, on a device that compares (selftest/SelfTestDevice.h).
/// Rank 0 tells what came of it; the run fails if anything differs.
class SelfTest {
public:
  SelfTest(const RunOptions &options, const Manifest &manifest,
           const RankSetup &setup);

  Status run();

private:
  Status load();
  Status runStep(int64_t step);
  Status fill(const InputSpec &input, int64_t microbatch, void *to);
  Status tell(const selftest::Result &result) const;
  void showProgress(const selftest::Kind &kind);

  const RunOptions options;
  const Manifest &manifest;
  const RankSetup &setup;
  const int rank;
  LoadedProgram program;
  std::optional<TokenData> data;              // none: random tokens
  selftest::SelfTestDevice *device = nullptr; // the program's
  int64_t numCompared = 0;
};

} // namespace fsdprt

#endif // FSDPRT_TRAINER_SELFTEST_H
