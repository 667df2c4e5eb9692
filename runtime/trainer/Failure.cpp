//===- Failure.cpp - One clear message, whoever fails ---------------------===//

#include "trainer/Failure.h"

#include "abi/Context.h"
#include "io/OutputFile.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace fsdprt;

namespace {

// What the handlers need; written before they are installed.
const FlightFile *handlerFlight = nullptr;
int handlerRank = -1;
Speaker handlerSpeaker = Speaker::Launcher;

void print(const SignalSafeText &text) {
  ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  (void)ignored;
}

void setState(int rank, FlightState state) {
  if (FlightSlot *slot =
          handlerFlight ? handlerFlight->slotOfRank(rank) : nullptr)
    slot->state = state;
}

/// What ended the ranks of this host; false if that is not known.
bool describeEnd(int number, SignalSafeText &text) {
  if (handlerSpeaker == Speaker::Ranks)
    return describeCulprit(*handlerFlight, handlerRank, /*includeStuck=*/false,
                           text) ||
           describeTold(*handlerFlight, text);
  text << "stopped by a signal ("
       << (number == SIGINT ? "Interrupt" : "Terminated") << ")";
  // Ranks that are threads are at nearly the same place.
  FlightSlot *slot = handlerFlight->slotOfRank(0);
  if (slot && slot->state == FlightState::Running) {
    text << ", rank 0 ";
    describePosition(*slot, text);
  }
  text << "; nothing was saved";
  return true;
}

void onTerminate(int number) {
  removeUnfinishedFiles();
  setState(handlerRank, FlightState::Terminated);
  if (handlerFlight && handlerRank >= 0)
    handlerFlight->noteTold(handlerRank);
  SignalSafeText text;
  text << "fsdp-run: error: ";
  if (handlerSpeaker != Speaker::Launcher && handlerFlight &&
      describeEnd(number, text) && handlerFlight->claimReport()) {
    text << "\n";
    print(text);
  }
  ::_exit(128 + number);
}

/// A signal that whoever started us ignores (nohup, a shell's `&`) stays so.
void handleUnlessIgnored(int number) {
  struct sigaction old = {}, action = {};
  action.sa_handler = onTerminate;
  if (::sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
    ::sigaction(number, &action, nullptr);
}

const char *nameOfSignal(int number) {
  switch (number) {
  case SIGSEGV:
    return "invalid memory access";
  case SIGBUS:
    return "bus error";
  case SIGFPE:
    return "arithmetic fault";
  case SIGILL:
    return "illegal instruction";
  default:
    return "abort";
  }
}

/// Says if the address is just outside of an arena, by the nearest one.
void describeAddress(const fsdprt_context &context, const char *address,
                     SignalSafeText &text) {
  int64_t nearest = 1 << 20;
  const Arena *found = nullptr;
  bool before = false;
  for (const Arena &arena : context.arenas) {
    int64_t offset = address - arena.base();
    int64_t distance = offset < 0 ? -offset : offset - arena.size();
    if ((offset >= 0 && offset < arena.size()) || distance >= nearest)
      continue;
    nearest = distance;
    found = &arena;
    before = offset < 0;
  }
  if (found)
    text << ", " << nearest << " bytes "
         << (before ? "before the start" : "beyond the end") << " of arena '"
         << found->name().c_str() << "'";
}

void onFault(int number, siginfo_t *info, void *) {
  // Ranks that are threads may all fault; the first one ends the process.
  static std::atomic<bool> entered{false};
  if (entered.exchange(true))
    while (true)
      ::pause();
  removeUnfinishedFiles();
  fsdprt_context *context = currentContext();
  int rank = context ? context->rank() : handlerRank;
  SignalSafeText text;
  text << "fsdp-run: error: ";
  if (rank >= 0)
    text << "rank " << int64_t(rank) << ": ";
  text << nameOfSignal(number) << " ";
  FlightSlot *slot = handlerFlight ? handlerFlight->slotOfRank(rank) : nullptr;
  if (slot)
    describePosition(*slot, text);
  if (context && (number == SIGSEGV || number == SIGBUS))
    describeAddress(*context, static_cast<const char *>(info->si_addr), text);
  text << "\n";
  if (!handlerFlight || handlerFlight->claimReport())
    print(text);
  setState(rank, FlightState::Failed);
  ::_exit(1);
}

} // namespace

std::string fsdprt::oneLine(const std::string &text) {
  std::string result;
  for (unsigned char c : text) {
    char escaped[5] = {char(c), 0};
    if (c == '\n' || c == '\t')
      std::strcpy(escaped, c == '\n' ? "\\n" : "\\t");
    else if (c < ' ' || c == 0x7f)
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", c);
    result += escaped;
  }
  return result;
}

void fsdprt::reportFailure(const FlightFile *flight, int rank,
                           const std::string &message) {
  if (!flight || flight->claimReport()) {
    std::string prefix = rank >= 0 ? "rank " + std::to_string(rank) + ": " : "";
    std::fprintf(stderr, "fsdp-run: error: %s%s\n", prefix.c_str(),
                 oneLine(message).c_str());
    std::fflush(stderr);
  }
  if (FlightSlot *slot =
          flight && rank >= 0 ? flight->slotOfRank(rank) : nullptr)
    slot->state = FlightState::Failed;
}

void fsdprt::reportWarning(const std::string &message) {
  std::fprintf(stderr, "fsdp-run: warning: %s\n", oneLine(message).c_str());
  std::fflush(stderr);
}

void fsdprt::installSignalHandlers(const FlightFile *flight, int rank,
                                   Speaker speaker) {
  handlerFlight = flight;
  handlerRank = rank;
  handlerSpeaker = speaker;
  handleUnlessIgnored(SIGTERM);
  if (speaker == Speaker::Process)
    handleUnlessIgnored(SIGINT);
  // A fault may be an overflown stack: handlers get one of their own.
  static char alternateStack[64 << 10];
  stack_t stack = {};
  stack.ss_sp = alternateStack;
  stack.ss_size = sizeof(alternateStack);
  ::sigaltstack(&stack, nullptr);
  struct sigaction fault = {};
  fault.sa_sigaction = onFault;
  fault.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    ::sigaction(number, &fault, nullptr);
}
