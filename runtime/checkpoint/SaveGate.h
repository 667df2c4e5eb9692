//===- SaveGate.h - What is being saved is read before it changes -*- C++ -*-=//

#ifndef FSDPRT_CHECKPOINT_SAVEGATE_H
#define FSDPRT_CHECKPOINT_SAVEGATE_H

#include <cstdint>

namespace fsdprt {

/// Between what saves a rank's memory beside the training and the operations
/// that write to it.
class SaveGate {
public:
  virtual ~SaveGate() = default;

  /// How many bytes of what is saved must have been read before these bytes of
  /// an arena may change; 0: none of them are saved. The same for every save.
  virtual int64_t bytesBefore(int32_t arena, int64_t offset,
                              int64_t bytes) const = 0;

  /// Returns when so many have been read of the save that goes on, at once if
  /// there is none.
  virtual void waitFor(int64_t bytes) = 0;
};

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_SAVEGATE_H
