//===- StreamProgress.h - How far a GPU's streams have come -----*- C++ -*-===//
//
// Behind an operation its stream writes the operation's number to pinned
// memory, where the host reads it without a call, also after a fault. So the
// flight record says what the GPU is in, and a failure names it.
//
// Where operations are issued one by one, each has such a mark. A graph has
// them where an operation ends that others wait for, before one that waits, and
// behind some of the rest: they should cost little, and what hangs or fails
// between two of them is named as a range.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CUDA_STREAMPROGRESS_H
#define FSDPRT_CUDA_STREAMPROGRESS_H

#include "cuda/PinnedMemory.h"
#include "device/Device.h"

namespace fsdprt::cuda {

class StreamProgress {
public:
  /// `words` gives it one a stream; `slot`, the rank's, may be null.
  StreamProgress(const Gpu &gpu, PinnedWords &words, FlightSlot *slot)
      : gpu(gpu), words(words), slot(slot) {}

  /// Streams are idle. `marksAll`: not in a graph.
  Status beginPhase(bool marksAll);

  /// The next operation. `isPut`: it is put on its stream now, or captured, and
  /// not launched with the graph that has it.
  Status add(const Dispatch &operation, bool isPut);
  /// Behind the work and the event of the one that was added last.
  Status markBehind(const Dispatch &operation);

  /// Reads how far the streams have come and tells the flight record; whether
  /// something has ended since the last look.
  bool look();
  /// Streams are idle again: all that was added has ended.
  void endPhase();

  /// The failure, behind the names of what has not ended although nothing
  /// holds it up, on one stream or, where nothing there is such, on any.
  Status blame(const Status &status, std::optional<int32_t> stream = {});

private:
  struct Added {
    const Dispatch *operation;
    bool isMarked;
  };
  struct Stream {
    PinnedWords::Word word; // 1 + number of the last marked one that has ended
    std::vector<Added> operations; // of the phase, in order
    size_t ended = 0;              // of these
    const Dispatch *shown = nullptr;
    OperationState state = OperationState::None; // as shown
  };
  /// Where an operation stands that records an event.
  struct Place {
    int32_t stream = -1;
    size_t number = 0;
  };

  Status mark(const Dispatch &operation);
  bool isRunning(const Stream &stream) const;
  void show(Stream &stream, int64_t ended);
  std::string nameOf(const Stream &stream) const;

  const Gpu &gpu;
  PinnedWords &words;
  FlightSlot *const slot;
  Stream streams[FSDPRT_NUM_STREAMS];
  std::vector<Place> recorders; // by event
  bool marksAll = true;
  bool canMark = true;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_STREAMPROGRESS_H
