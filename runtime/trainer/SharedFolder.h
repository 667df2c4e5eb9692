//===- SharedFolder.h - A folder that all ranks see -------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_SHAREDFOLDER_H
#define FSDPRT_TRAINER_SHAREDFOLDER_H

#include "comm/Control.h"
#include "core/FlightRecord.h"

#include <string>

namespace fsdprt {

/// All ranks: that `folder`, of --checkpoint-dir, is the same one for each of
/// them, by a file that rank 0 puts there for as long as this takes. Fails on
/// every rank; it has been said then.
Status checkSharedFolder(Control &control, int rank, const FlightFile *flight,
                         const std::string &folder);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_SHAREDFOLDER_H
