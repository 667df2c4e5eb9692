//===- TraceFile.h - The measured timeline of all ranks ---------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_TRACEFILE_H
#define FSDPRT_TRAINER_TRACEFILE_H

#include "comm/Control.h"
#include "core/Manifest.h"
#include "core/Trace.h"

namespace fsdprt {

/// Called by all ranks with idle streams: rank 0 writes what all of them
/// measured to `path`, in the Trace Event Format. The others' spans come over
/// the control channel, one rank after the other, so that rank 0 never holds
/// more than one rank's. The file gets its name when it is whole.
Status writeTrace(const Trace &trace, Control &control, int rank,
                  const Manifest &manifest, const std::string &path);

/// One rank's spans as events, each a line and a comma; times are in
/// microseconds, `clockAhead` nanoseconds earlier than the rank's clock.
std::string traceEvents(const Trace &trace, int rank, int64_t clockAhead);

/// How far each rank's clock is ahead of rank 0's, from the least time that a
/// value seemed to take from each rank to rank 0 (`toFirst`) and back
/// (`fromFirst`): the way is taken to be equally long in both directions.
std::vector<int64_t> clocksAhead(const std::vector<int64_t> &toFirst,
                                 const std::vector<int64_t> &fromFirst);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_TRACEFILE_H
