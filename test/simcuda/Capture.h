//===- Capture.h - Work that becomes a graph --------------------*- C++ -*-===//

#ifndef SIMCUDA_CAPTURE_H
#define SIMCUDA_CAPTURE_H

#include "test/simcuda/Device.h"

#include <thread>

namespace simcuda {

struct Node {
  std::shared_ptr<const Task> task;
  std::vector<size_t> after;
  size_t chain = 0; ///< nodes of one captured stream are ordered
};
} // namespace simcuda

namespace fsdprt::cuda {
struct CUgraph_st {
  std::vector<simcuda::Node> nodes;
  std::vector<std::string> labels; ///< of chains
};

struct CUgraphExec_st {
  CUgraph_st graph;
  std::vector<size_t> components; ///< of chains
  simcuda::Device *device = nullptr;
  simcuda::OperationRef last; ///< end of the launch before
};
} // namespace fsdprt::cuda

namespace simcuda {

struct Capture {
  CUstream origin = nullptr;
  fsdprt::cuda::CUstreamCaptureMode mode;
  std::thread::id thread;
  bool valid = true;
  fsdprt::cuda::CUgraph_st graph;
  std::vector<CUstream> streams; ///< origin and those that joined
  /// As Device::issued, with what is captured: none of it has been issued.
  std::map<uint64_t, uint64_t> issued;
};

CUresult addNode(CUstream stream, std::shared_ptr<const Task> task);

/// cuEventRecord and cuStreamWaitEvent on a stream, or of an event, that is
/// captured.
CUresult recordCaptured(CUevent event, CUstream stream);
CUresult waitCaptured(CUstream stream, CUevent event);

/// What a call that waits for the stream must not do: the capture is lost.
CUresult failCapture(Capture &capture);

} // namespace simcuda

#endif // SIMCUDA_CAPTURE_H
