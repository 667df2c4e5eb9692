//===- ThreadRanks.cpp - Ranks as threads ---------------------------------===//

#include "comm/ThreadCommunicator.h"
#include "core/Exceptions.h"
#include "trainer/CheckpointSignals.h"
#include "trainer/Failure.h"
#include "trainer/Machine.h"
#include "trainer/Ranks.h"

#include <thread>
#include <unistd.h>
#include <vector>

using namespace fsdprt;

static void runThread(const RunOptions &options, const Manifest &manifest,
                      std::shared_ptr<ThreadGroup> group, FlightFile *flight,
                      int rank) {
  ThreadCommunicator communicator(group, rank);
  RankSetup setup;
  setup.communicator = &communicator;
  setup.flight = flight;
  setup.place = {rank, group->size(), /*oneProcess=*/true};
  setup.exchanges = exchangesOf(options);
  setup.threads =
      threadsPerRank(ownCores(), ownCores(), group->size(), coreQuota());
  setup.terminal = ::isatty(STDOUT_FILENO);
  setup.sharedProcess = group->size() > 1;
  setup.onFailure = [&](const Status &status) {
    leave(flight, rank, status, MpiEnd::Exit);
  };
  trainRank(options, manifest, setup);
}

int fsdprt::runThreads(const RunOptions &options, const Manifest &manifest) {
  int world = int(manifest.worldSize());
  Expected<FlightFile> created = FlightFile::createPrivate(world);
  if (!created.ok())
    return fail(created.status().message());
  FlightFile *flight =
      installSignalHandlers(std::move(*created), -1, Speaker::Process);
  auto group = std::make_shared<ThreadGroup>(world);
  std::vector<std::thread> threads;
  try {
    for (int rank = 0; rank < world; ++rank)
      threads.emplace_back(runThread, std::cref(options), std::cref(manifest),
                           group, flight, rank);
  } catch (...) { // those that have started wait for the others
    leave(flight, -1, describeException(), MpiEnd::Exit);
  }
  for (std::thread &thread : threads)
    thread.join();
  return exitCodeOfRank(*flight);
}
