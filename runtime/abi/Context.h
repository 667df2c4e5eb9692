//===- Context.h - One rank, as a compiled program sees it ------*- C++ -*-===//

#ifndef FSDPRT_ABI_CONTEXT_H
#define FSDPRT_ABI_CONTEXT_H

#include "abi/Operations.h"
#include "checkpoint/SaveGate.h"
#include "core/Recorder.h"
#include "device/CpuDevice.h"
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

  /// An arena of the device.
  struct Memory {
    std::string name;
    fsdprt::DeviceAddress begin;
    int64_t bytes;
  };

  using MakeDevice =
      std::function<fsdprt::Expected<std::unique_ptr<fsdprt::Device>>(
          fsdprt::Communicator &, fsdprt::Device::Options)>;

  /// Makes the device with its threads. `communicator`, `flight` and `manifest`
  /// outlive the context.
  static fsdprt::Expected<std::unique_ptr<fsdprt_context>>
  create(const fsdprt::Manifest &manifest, fsdprt::Communicator &communicator,
         fsdprt::FlightFile *flight, Options options,
         const MakeDevice &makeDevice = fsdprt::CpuDevice::create);
  ~fsdprt_context();

  /// Makes the arenas, before the first phase and when the device has prepared
  /// the program's products: libraries have their memory then, and the device
  /// sees what is left.
  fsdprt::Status allocate();

  /// Streams are idle, the issue order starts at 0.
  fsdprt::Status beginPhase(const std::string &name, int64_t step);
  /// All streams are idle again.
  void endPhase();

  /// Memory to write a place of the manifest into, all of it, before a phase;
  /// recorded as touched.
  void *hostWrite(const fsdprt::Place &place);
  /// Writes a number in the place's dtype; does nothing if there is none.
  void writeScalar(const std::string &name, double value);
  /// The same of a number that a double may not hold.
  void writeScalar(const std::string &name, uint64_t value);
  /// Whether a buffer of the plan holds parameters or gradients.
  bool holdsParameters(int64_t buffer) const {
    return parameterBuffers.count(buffer) != 0;
  }
  /// NaN if the program has no such result.
  fsdprt::Expected<double> readResult(const std::string &name);
  /// With --checked: what dies with an operation of the phase that runs.
  std::vector<fsdprt::DeviceRange> dyingAfter(int64_t operation) const;

  int rank() const { return communicator.rank(); }
  int world() const { return communicator.size(); }

  const fsdprt::Manifest &manifest;
  const Options options;
  fsdprt::Communicator &communicator;
  fsdprt::FlightSlot *slot = nullptr;
  std::vector<Memory> arenas; // in the manifest's order
  fsdprt::Recorder recorder;
  std::unique_ptr<fsdprt::Trace> trace; // null: nothing is measured
  fsdprt::Operations operations;
  std::unique_ptr<fsdprt::Device> device; // ends before what it works on
  const fsdprt::ParameterLoader *loader = nullptr; // what fsdprt_load asks
  fsdprt::CheckpointSaver *saver = nullptr;        // on the rank that writes
  fsdprt::SaveGate *gate = nullptr; // null: nothing is saved beside the phases

  // Of the phase that runs.
  std::string phase;
  int64_t step = -1;
  fsdprt::StepCounts counts; // since it was last set
  fsdprt::Status error;

private:
  fsdprt_context(const fsdprt::Manifest &manifest,
                 fsdprt::Communicator &communicator, Options options);
  void planPoison();
  fsdprt::DeviceRange rangeOf(const fsdprt::Place &place);

  /// With --checked: what dies with each operation of a phase.
  std::map<std::string,
           std::map<int64_t, std::vector<const fsdprt::BufferSpec *>>>
      dying;
  std::set<int64_t> parameterBuffers; // by the plan's number
};

namespace fsdprt {

/// The context whose program runs on this thread, for signal handlers.
fsdprt_context *&currentContext();

} // namespace fsdprt

#endif // FSDPRT_ABI_CONTEXT_H
