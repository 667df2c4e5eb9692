//===- CheckpointSignals.cpp - Signals that ask for a checkpoint ----------===//

#include "trainer/CheckpointSignals.h"

#include "trainer/Launcher.h"

#include <csignal>
#include <cstdlib>

using namespace fsdprt;

// What the handlers need; written before they are installed.
static const FlightFile *listening = nullptr;

static void onRequest(int) {
  listening->header()->asked |= FlightRequest::Save;
}

void fsdprt::ignoreCheckpointRequests() { std::signal(SIGUSR1, SIG_IGN); }

void fsdprt::listenForCheckpoints(const FlightFile &flight) {
  listening = &flight;
  struct sigaction action = {};
  action.sa_handler = onRequest;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
}

bool fsdprt::takesAsRequest(int number) {
  if (!listening || number != SIGTERM)
    return false;
  FlightHeader *header = listening->header();
  SignalSafeText culprit;
  if (!header->takesRequests ||
      describeCulprit(*listening, -1, /*includeStuck=*/false, culprit))
    return false;
  // Whoever signals the ranks signals all of a host: what this process has not
  // had before is no second one.
  static volatile sig_atomic_t hasAsked = 0;
  if (hasAsked)
    return false;
  hasAsked = 1;
  constexpr int32_t both = FlightRequest::Save | FlightRequest::End;
  header->asked.fetch_or(both);
  return true;
}

int fsdprt::exitCodeOfRank(const FlightFile &flight) {
  if (std::getenv(flightVariable))
    return 0;
  return flight.header()->preempted ? preemptedStatus : 0;
}
