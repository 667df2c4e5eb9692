//===- Stream.h - Streams of the CPU and their work -------------*- C++ -*-===//
//
// Two kinds of stream: compute runs what it is given at once (ComputeStream.h),
// the others leave it to the communication thread
// (device/CommunicationThread.h). That compute has run when enqueue() returns
// is known to nobody else.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_DEVICE_STREAM_H
#define FSDPRT_DEVICE_STREAM_H

#include "device/Device.h"

namespace fsdprt {

class Stream {
public:
  virtual ~Stream() = default;

  /// Runs the operation's work behind what was enqueued before, once the
  /// events are recorded that it waits for; then records its own.
  virtual Status enqueue(const Dispatch &operation) = 0;
};

/// What an operation does. The thread of its stream calls begin() once, test()
/// until it says done, then finish().
class StreamWork : public Work {
public:
  /// Does it, or as much as can be done without waiting for other ranks.
  virtual Status begin() = 0;
  virtual Expected<bool> test() { return true; }
  virtual Status finish() { return Status(); }
  /// Waits for other ranks: then the communication thread does it, whatever
  /// the stream.
  virtual bool isExchange() const { return false; }
  /// Whoever enqueues it tells the flight record how far it is, not the thread.
  virtual bool isToldOfElsewhere() const { return false; }
};

/// On the CPU the host sees all memory of the device.
inline char *hostPointer(DeviceAddress address) {
  return reinterpret_cast<char *>(address);
}

inline StreamWork &workOf(const Dispatch &operation) {
  return static_cast<StreamWork &>(*operation.work);
}

} // namespace fsdprt

#endif // FSDPRT_DEVICE_STREAM_H
