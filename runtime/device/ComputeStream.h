//===- ComputeStream.h - Compute at issue -----------------------*- C++ -*-===//

#ifndef FSDPRT_DEVICE_COMPUTESTREAM_H
#define FSDPRT_DEVICE_COMPUTESTREAM_H

#include "device/CommunicationThread.h"

namespace fsdprt {

/// Runs an operation when it is enqueued, on the thread that runs the program.
class ComputeStream : public Stream {
public:
  /// `communication` does what waits for other ranks; it outlives this stream.
  ComputeStream(CommunicationThread &communication,
                const Device::Options &options)
      : communication(communication), slot(options.slot), trace(options.trace) {
  }

  Status enqueue(const Dispatch &operation) override;

private:
  Status waitForEvents(const Dispatch &operation);
  Status run(const Dispatch &operation);
  Status runTraced(const Dispatch &operation);

  CommunicationThread &communication;
  FlightSlot *const slot;
  Trace *const trace;
};

} // namespace fsdprt

#endif // FSDPRT_DEVICE_COMPUTESTREAM_H
