//===- Ranks.h - The ways to be a rank, or all of them ----------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_RANKS_H
#define FSDPRT_TRAINER_RANKS_H

#include "trainer/RankEnvironment.h"
#include "trainer/Trainer.h"

namespace fsdprt {

/// How the peers of a rank that fails are ended.
enum class MpiEnd {
  Exit, ///< the launcher sees it; threads end with their process
  Abort ///< another launcher (srun) may let them wait for ever
};

/// Says why, unless another rank of the host has spoken, and ends the process.
[[noreturn]] void leave(const FlightFile *flight, int rank,
                        const Status &status, MpiEnd end);

/// Says what keeps a process from being a rank; its exit code.
int fail(const std::string &message);

/// The same where all ranks of a host find it, and know no better way to have
/// it said once than that one `speaks`. The others stay a moment: a launcher
/// ends all when one has left.
int failTogether(bool speaks, const std::string &message);

/// That there are as many as the program was compiled for; `origin` says who
/// wants `ranks` of them.
Status checkRanks(const Manifest &manifest, int ranks, const char *origin);

/// That the plans of this host's ranks fit into its memory.
Status checkFits(const RunOptions &options, const Manifest &manifest,
                 int ranks);

/// Who moves a program's collectives.
Exchanges exchangesOf(const RunOptions &options);

/// All ranks of the program as threads of this process. These return its exit
/// code.
int runThreads(const RunOptions &options, const Manifest &manifest);

/// One rank that MPI has started or been asked for. `input` is what was found
/// wrong with it before. Only with MPI can ranks agree on who says it, and end
/// peers whose input is right: those wait for this rank in MPI_Init.
int runMpiRank(const RunOptions &options, const Expected<Manifest> &manifest,
               const RankEnvironment &environment, Status input);

/// One rank that MPI knows nothing of: it meets the others by NCCL.
int runNcclRank(const RunOptions &options, const Expected<Manifest> &manifest,
                const RankEnvironment &environment, Status input);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_RANKS_H
