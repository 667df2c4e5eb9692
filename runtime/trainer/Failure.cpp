//===- Failure.cpp - One clear message, whoever fails ---------------------===//

#include "trainer/Failure.h"

#include "abi/Context.h"
#include "core/Exceptions.h"
#include "io/OutputFile.h"
#include "trainer/CheckpointSignals.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <execinfo.h>
#include <mutex>
#include <new>
#include <unistd.h>

using namespace fsdprt;

namespace {

// What the handlers need; written before they are installed.
const FlightFile *handlerFlight = nullptr;
int handlerRank = -1;
Speaker handlerSpeaker = Speaker::Launcher;

void print(const char *text, size_t size) {
  while (size > 0) {
    ssize_t written = ::write(STDERR_FILENO, text, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return;
    text += written;
    size -= size_t(written);
  }
}

void print(const SignalSafeText &text) { print(text.data(), text.size()); }

/// What ended the ranks of this host; false if that is not known.
bool describeEnd(int number, SignalSafeText &text) {
  if (handlerSpeaker == Speaker::Ranks) {
    bool isKnown = describeCulprit(*handlerFlight, handlerRank,
                                   /*includeStuck=*/false, text) ||
                   describeTold(*handlerFlight, text);
    describeSaved(*handlerFlight, text);
    return isKnown;
  }
  text << "stopped by a signal (" << ::sigdescr_np(number) << ")";
  // Ranks that are threads are at nearly the same place.
  FlightSlot *slot = handlerFlight ? handlerFlight->slotOfRank(0) : nullptr;
  if (slot && slot->state == FlightState::Running) {
    text << ", rank 0 ";
    describePosition(*slot, text);
  }
  if (!handlerFlight || !describeSaved(*handlerFlight, text))
    text << "; nothing was saved";
  return true;
}

void onEndingSignal(int number) {
  // fsdp-run asks the ranks that it has started by the record.
  if (handlerSpeaker != Speaker::Launcher && takesAsRequest(number))
    return;
  bool isProcess = handlerSpeaker == Speaker::Process;
  // The work is done, and what was to be written has been.
  if (isProcess && handlerFlight && handlerFlight->allFinished())
    ::_exit(0);
  removeUnfinishedFiles();
  if (handlerFlight)
    handlerFlight->removeNameOfLast();
  FlightSlot *slot =
      handlerFlight ? handlerFlight->slotOfRank(handlerRank) : nullptr;
  if (slot && slot->state == FlightState::Running) {
    slot->state = FlightState::Terminated;
    handlerFlight->noteTold(handlerRank, number);
  }
  SignalSafeText text;
  text << "fsdp-run: error: ";
  if (handlerSpeaker != Speaker::Launcher && describeEnd(number, text) &&
      (!handlerFlight || handlerFlight->claimReport())) {
    text << "\n";
    print(text);
  }
  ::_exit(128 + number);
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
void describeAddress(const fsdprt_context &context, const void *address,
                     SignalSafeText &text) {
  int64_t nearest = 1 << 20;
  const fsdprt_context::Memory *found = nullptr;
  bool before = false;
  for (const fsdprt_context::Memory &arena : context.arenas) {
    int64_t offset = int64_t(uint64_t(address) - uint64_t(arena.begin));
    int64_t distance = offset < 0 ? -offset : offset - arena.bytes;
    if ((offset >= 0 && offset < arena.bytes) || distance >= nearest)
      continue;
    nearest = distance;
    found = &arena;
    before = offset < 0;
  }
  if (found)
    text << ", " << nearest << " bytes "
         << (before ? "before the start" : "beyond the end") << " of arena '"
         << found->name.c_str() << "'";
}

/// Says it, unless another one has spoken, and exits.
[[noreturn]] void endWith(SignalSafeText &text, int rank) {
  if (handlerFlight) {
    describeSaved(*handlerFlight, text);
    handlerFlight->removeNameOfLast();
  }
  text << "\n";
  if (!handlerFlight || handlerFlight->claimReport())
    print(text);
  if (FlightSlot *slot =
          handlerFlight ? handlerFlight->slotOfRank(rank) : nullptr)
    slot->state = FlightState::Failed;
  ::_exit(1);
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
    describeAddress(*context, info->si_addr, text);
  endWith(text, rank);
}

/// What was thrown where nothing can be caught, as in a destructor.
void onUncaught() {
  const char *what = "an exception of unknown kind";
  std::exception_ptr thrown = std::current_exception();
  try {
    if (thrown)
      std::rethrow_exception(thrown);
  } catch (const std::bad_alloc &) {
    what = outOfMemory;
  } catch (const std::exception &error) {
    what = error.what();
  } catch (...) {
  }
  removeUnfinishedFiles();
  SignalSafeText text;
  text << "fsdp-run: error: " << what;
  endWith(text, handlerRank);
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

/// Whether a message that one rank passes on names the one it is of.
static bool namesRank(const std::string &message) {
  int end = 0;
  std::sscanf(message.c_str(), "rank %*d%n", &end);
  return end > 0 && message[size_t(end)] == ':';
}

void fsdprt::reportFailure(const FlightFile *flight, int rank,
                           const std::string &message) {
  // Whole before the word is taken: there may be no memory left for it.
  std::string prefix = rank >= 0 && !namesRank(message)
                           ? "rank " + std::to_string(rank) + ": "
                           : "";
  SignalSafeText saved;
  if (flight)
    describeSaved(*flight, saved);
  std::string line =
      "fsdp-run: error: " + prefix + oneLine(message) + saved.data() + "\n";
  // Another rank of this process that fails ends it as soon as this is held no
  // more.
  static std::mutex speaking;
  std::lock_guard<std::mutex> lock(speaking);
  if (!flight || flight->claimReport())
    print(line.data(), line.size());
  if (FlightSlot *slot =
          flight && rank >= 0 ? flight->slotOfRank(rank) : nullptr)
    slot->state = FlightState::Failed;
}

void fsdprt::reportWarning(const std::string &message) {
  std::fprintf(stderr, "fsdp-run: warning: %s\n", oneLine(message).c_str());
  std::fflush(stderr);
}

void fsdprt::handleEndingSignals(void (*handler)(int)) {
  for (int number : endingSignals) {
    struct sigaction old = {}, action = {};
    action.sa_handler = handler;
    // One that our starter ignores (nohup, a shell's `&`) stays so.
    if (::sigaction(number, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
      ::sigaction(number, &action, nullptr);
  }
}

void fsdprt::sayHowItEnds(bool isRank) {
  std::set_terminate(onUncaught);
  // The C library loads its unwinder when a thread first ends by itself, and
  // aborts if there is no memory left for it by then.
  void *frame = nullptr;
  ::backtrace(&frame, 1);
  if (isRank)
    return;
  handlerSpeaker = Speaker::Process;
  handleEndingSignals(onEndingSignal);
}

FlightFile *fsdprt::installSignalHandlers(FlightFile flight, int rank,
                                          Speaker speaker) {
  // Never destroyed: a signal may come while the process ends.
  auto *kept = new FlightFile(std::move(flight));
  handlerFlight = kept;
  handlerRank = rank;
  handlerSpeaker = speaker;
  handleEndingSignals(onEndingSignal);
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
  return kept;
}
