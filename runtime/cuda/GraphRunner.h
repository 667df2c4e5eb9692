//===- GraphRunner.h - Phases as CUDA graphs --------------------*- C++ -*-===//
//
// A phase that runs again is the same straight line with the same arguments:
// its second run is captured, and from then on it is one launch. What differs
// from step to step stands in pinned memory, whose copies are part of it.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_GRAPHRUNNER_H
#define FSDPRT_CUDA_GRAPHRUNNER_H

#include "cuda/CudaStreams.h"

namespace fsdprt::cuda {

/// A phase's graph, ready to be launched.
class Graph {
public:
  explicit Graph(std::shared_ptr<const Gpu> gpu) : gpu(std::move(gpu)) {}
  ~Graph();
  Graph(const Graph &) = delete;

  /// Of what compute's stream has captured; ends the capture in any case.
  Status create();
  Status launch() const;

private:
  std::shared_ptr<const Gpu> gpu;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
};

class GraphRunner {
public:
  enum class Mode {
    Eager,     ///< operations are put on the streams
    Capture,   ///< the same, and the streams capture them
    Abandoned, ///< one could not be captured: they are noted, and run later
    Replay     ///< nothing is: the join launches the graph
  };

  GraphRunner(const Gpu &gpu, CudaStreams &streams)
      : gpu(gpu), streams(streams) {}

  /// How the phase runs that begins. `allowed`: not what has to see its
  /// operations one by one.
  Status beginPhase(int phase, bool allowed);
  Mode mode() const { return current; }

  /// Of what the host has written for the phase that begins, what its graph
  /// does not copy. In a capture, which is to copy it: all.
  std::vector<DeviceRange> toUpload(std::vector<DeviceRange> written);

  /// The next operation, which runs or is captured; `capturable` is known then.
  void add(const Dispatch &operation, bool capturable);
  /// The next operation of a replay: fails where it is not the captured one.
  Status expect(const Dispatch &operation);

  /// At the end of a capture, whose streams are joined: makes the graph, which
  /// copies the first `downloads` of the host's results.
  Status endCapture(size_t downloads);
  /// Ends a capture that failed; the phase is never captured again.
  void abandon(const Status &status);
  const Status &abandoned() const { return problem; }
  size_t downloads() const { return phases[phase].downloads; }
  /// Ends all graphs.
  void clear() { phases.clear(); }
  Status launch() const { return phases[phase].graph->launch(); }
  /// What was captured, in order: to run it after all.
  const std::vector<const Dispatch *> &captured() const {
    return phases[phase].operations;
  }
  const std::vector<DeviceRange> &capturedUploads() const {
    return phases[phase].uploads;
  }

private:
  struct Phase {
    bool hasRun = false, capturable = true;
    std::vector<const Dispatch *> operations; // of its last eager run
    std::vector<DeviceRange> uploads;         // of its graph
    size_t downloads = 0;                     // the same
    std::unique_ptr<Graph> graph;
  };

  const Gpu &gpu;
  CudaStreams &streams;
  std::vector<Phase> phases;
  int phase = 0;
  size_t place = 0; // of a replay
  Mode current = Mode::Eager;
  Status problem; // of the capture that was abandoned
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_GRAPHRUNNER_H
