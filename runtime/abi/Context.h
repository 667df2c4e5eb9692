//===- Context.h - One rank, as a compiled program sees it ------*- C++ -*-===//

#ifndef FSDPRT_ABI_CONTEXT_H
#define FSDPRT_ABI_CONTEXT_H

#include "comm/Streams.h"
#include "core/Arena.h"
#include "core/FlightRecord.h"
#include "core/Manifest.h"
#include "core/Recorder.h"
#include "device/Gemm.h"
#include "device/WorkerPool.h"
#include "io/Checkpoint.h"
#include "io/ParameterLoader.h"

#include <map>
#include <set>

struct fsdprt_context {
  struct Options {
    int threads = 1;
    bool checked = false;
    double timeoutSeconds = 60;
    double commDelaySeconds = 0;
    int64_t traceFirst = 0, traceEnd = 0; // steps to trace: [first, end)
  };

  /// Reserves the arenas and starts the rank's threads. `communicator`,
  /// `flight` and `manifest` outlive the context.
  static fsdprt::Expected<std::unique_ptr<fsdprt_context>>
  create(const fsdprt::Manifest &manifest, fsdprt::Communicator &communicator,
         fsdprt::FlightFile *flight, Options options);
  ~fsdprt_context();

  /// Streams are idle, the issue order starts at 0.
  void beginPhase(const std::string &name, int64_t step);
  /// All streams are idle again.
  void endPhase();

  /// Memory of a place of the manifest; recorded as touched.
  char *hostAccess(const fsdprt::Place &place);
  /// Writes a number in the place's dtype; does nothing if there is none.
  void writeScalar(const std::string &name, double value);
  /// Whether a buffer of the plan holds parameters or gradients.
  bool holdsParameters(int64_t buffer) const {
    return parameterBuffers.count(buffer) != 0;
  }
  /// NaN if the program has no such result.
  double readResult(const std::string &name);

  int rank() const { return communicator.rank(); }
  int world() const { return communicator.size(); }

  const fsdprt::Manifest &manifest;
  const Options options;
  fsdprt::Communicator &communicator;
  fsdprt::FlightSlot *slot = nullptr;
  std::vector<fsdprt::Arena> arenas;
  fsdprt::Recorder recorder;
  std::unique_ptr<fsdprt::Trace> trace; // null: nothing is measured
  std::unique_ptr<fsdprt::WorkerPool> workers;
  std::unique_ptr<fsdprt::GemmLibrary> gemm;
  std::unique_ptr<fsdprt::Streams> streams;
  const fsdprt::ParameterLoader *loader = nullptr; // what fsdprt_load asks
  fsdprt::CheckpointSaver *saver = nullptr;        // on the rank that writes

  // Of the phase that runs.
  std::string phase;
  int64_t step = -1;
  int64_t nextOperation = 0;
  int64_t gatheredBytes = 0, reducedBytes = 0;
  int64_t localCopyBytes = 0; // of parameters and gradients, by fsdprt_copy
  fsdprt::Status error;

  // In checked mode: what dies with each operation of a phase.
  std::map<std::string,
           std::map<int64_t, std::vector<const fsdprt::BufferSpec *>>>
      dying;

private:
  fsdprt_context(const fsdprt::Manifest &manifest,
                 fsdprt::Communicator &communicator, Options options);
  void planPoison();

  std::set<int64_t> parameterBuffers; // by the plan's number
};

namespace fsdprt {

/// The context whose program runs on this thread, for signal handlers.
fsdprt_context *&currentContext();

} // namespace fsdprt

#endif // FSDPRT_ABI_CONTEXT_H
