//===- SameProgram.h - All ranks run one program ----------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_SAMEPROGRAM_H
#define FSDPRT_TRAINER_SAMEPROGRAM_H

#include "comm/Control.h"
#include "core/FlightRecord.h"

#include <string>

namespace fsdprt {

/// A number that differs, but for bad luck of one in 2^64, if a byte of the
/// folder's manifest.json or program.so does.
Expected<uint64_t> hashProgram(const std::string &folder);

/// Names the ranks whose hash is not rank 0's; empty if there is none.
std::string describeOtherPrograms(const std::vector<int64_t> &hashes,
                                  const std::string &folder);

/// "rank 1", "ranks 1, 2", and of many only the first.
std::string listRanks(const std::vector<size_t> &ranks);

/// What all ranks have found to differ between them, `message`, or "": rank 0
/// prints it, before any rank may leave; the ranks return it, and it is not
/// printed again.
Status failIfAnyDiffers(Control &control, int rank, const FlightFile *flight,
                        const std::string &message);

/// Fails on every rank if any has another program than rank 0: their
/// collectives would not meet.
Status checkSameProgram(Control &control, int rank, const FlightFile *flight,
                        const std::string &folder);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_SAMEPROGRAM_H
