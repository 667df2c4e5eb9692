//===- Ranks.cpp - What all ways to be a rank share -----------------------===//

#include "trainer/Ranks.h"

#include "comm/MpiCommunicator.h"
#include "io/OutputFile.h"
#include "trainer/Failure.h"
#include "trainer/Machine.h"

#include <cstdio>
#include <unistd.h>

using namespace fsdprt;

int fsdprt::fail(const std::string &message) {
  reportFailure(nullptr, -1, message);
  return 1;
}

int fsdprt::failTogether(bool speaks, const std::string &message) {
  if (speaks)
    return fail(message);
  ::sleep(3);
  return 1;
}

void fsdprt::leave(const FlightFile *flight, int rank, const Status &status,
                   MpiEnd end) {
  reportFailure(flight, rank, status.message());
  std::fflush(stdout);
  removeUnfinishedFiles();
  if (flight) {
    killStoppedRanks(*flight, rank);
    flight->removeNameOfLast();
  }
  // Peers may never reach MPI_Finalize.
  if (end == MpiEnd::Abort)
    abortMpi();
  ::_exit(1);
}

Status fsdprt::checkRanks(const Manifest &manifest, int ranks,
                          const char *origin) {
  if (ranks == manifest.worldSize())
    return Status();
  return failure("the program was compiled for ", manifest.worldSize(),
                 " ranks (mesh ", manifest.meshString(), "), ", origin, " ",
                 ranks, "; use -n ", manifest.worldSize(),
                 " or compile with --mesh of another size");
}

Exchanges fsdprt::exchangesOf(const RunOptions &options) {
  return options.comm == "nccl" ? Exchanges::Nccl : Exchanges::Host;
}

Status fsdprt::checkFits(const RunOptions &options, const Manifest &manifest,
                         int ranks) {
  // What a GPU has free is asked by the rank that has it.
  if (options.ignoreMemory || manifest.target == "cuda")
    return Status();
  return checkMemory(manifest, ranks, freeMemory());
}
