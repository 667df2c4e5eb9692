//===- FlightRecord.h - Where every rank is, seen from outside --*- C++ -*-===//
//
// Each rank writes what it is doing into its slot of a file in shared memory.
// When a rank dies or hangs, the others (or fsdp-run) read its slot and name
// rank, operation, unit and step. The slots are plain data: they stay readable
// when their process is gone, and from a signal handler.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CORE_FLIGHTRECORD_H
#define FSDPRT_CORE_FLIGHTRECORD_H

#include "abi/fsdprt.h"
#include "core/Status.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

namespace fsdprt {

enum class FlightState : int32_t {
  Absent = 0, // the rank has not come up yet
  Running,
  Failed,     // it gave up by itself and said why
  Terminated, // a signal asked it to stop
  Finished
};

enum class OperationState : int32_t { None = 0, Issued, Started, Ended };

enum class SavedState : int32_t { No = 0, Noting, Yes };

/// What the record says of an operation; made once, since an operation is
/// marked each time it runs.
struct FlightMark {
  FlightMark() = default;
  FlightMark(const fsdprt_op &op, int64_t index);

  int64_t index = 0; // issue order in the phase
  char name[48] = "";
  char unit[96] = "";
  int32_t stream = 0;
};

/// The last operation of one stream.
struct FlightOperation {
  std::atomic<OperationState> state;
  FlightMark mark;
};

/// As much of `from` as `to` holds, with its end.
template <size_t N> void copyText(char (&to)[N], const char *from) {
  size_t length = ::strnlen(from, N - 1);
  std::memcpy(to, from, length);
  to[length] = 0;
}

struct FlightSlot {
  std::atomic<FlightState> state;
  std::atomic<int32_t> pid;
  std::atomic<int64_t> step;      // -1 before the first
  std::atomic<uint64_t> progress; // grows with whatever the rank does
  /// Phases that were begun, times 2^32, and operations of the last one that
  /// have ended: a rank with less is behind.
  std::atomic<uint64_t> position;
  char phase[24]; // or "start", "data", "save"
  FlightOperation operations[FSDPRT_NUM_STREAMS];
};

/// What a signal may ask ranks for at the end of a step, as bits.
struct FlightRequest {
  static constexpr int32_t Save = 1; // a checkpoint
  static constexpr int32_t End = 2;  // of the run, after it
};

/// The file: one slot a rank of this host.
struct FlightHeader {
  uint64_t magic;
  int32_t numSlots;
  int32_t firstRank; // rank of slot 0; ranks of a host are consecutive
  std::atomic<int32_t> reported; // one process of the host speaks, once
  /// 1 + the first rank that a signal told to end, 0: none. When one ends, its
  /// launcher tells the others.
  std::atomic<int32_t> firstTold;
  std::atomic<int32_t> toldBy;        // that signal
  std::atomic<SavedState> saved;      // the parameters
  std::atomic<int32_t> takesRequests; // ranks look at the end of each step:
  std::atomic<int32_t> asked;         // FlightRequest
  std::atomic<int32_t> preempted;     // the run ended for one
  /// The file's name, fit to be printed.
  char savedIn[4096];
  std::atomic<int64_t> newestStep; // the newest checkpoint's; 0: there is none
  char checkpointsIn[4096];        // their folder's name, written before
  /// Where ranks meet by NCCL, said by rank 0 if nobody else says it.
  std::atomic<int32_t> isMeetingKnown;
  char meeting[128];
};

class FlightFile {
public:
  /// In this process only, for ranks that are threads.
  static Expected<FlightFile> createPrivate(int numSlots);
  /// A new file in /dev/shm, to be opened by name by the host's other ranks.
  static Expected<FlightFile> createShared(const std::string &name,
                                           int firstRank, int numSlots);
  static Expected<FlightFile> open(const std::string &name);
  static void unlink(const std::string &name);
  /// The record of ranks that have no launcher which makes one: the first that
  /// is there makes it, under a name that all know; what a run before has left
  /// of it is made anew. Fails where two take slot `index`, or ranks do not
  /// agree on the others.
  static Expected<FlightFile> join(const std::string &name, int firstRank,
                                   int numSlots, int index);

  FlightFile() = default;
  FlightFile(FlightFile &&other) noexcept;
  FlightFile &operator=(FlightFile &&other) noexcept;
  ~FlightFile();

  FlightHeader *header() const { return mapped; }
  int numSlots() const { return mapped ? mapped->numSlots : 0; }
  int firstRank() const { return mapped->firstRank; }
  FlightSlot *slot(int index) const;
  /// Ends its name once all ranks have joined.
  void removeName() const;
  /// The same of a rank that gives up before, and ends now, if it is the last
  /// one. Safe in a signal handler.
  void removeNameOfLast() const;

  /// The slot of a rank of this host, null for others.
  FlightSlot *slotOfRank(int rank) const;

  /// True for the first caller of all processes: only that one may report.
  bool claimReport() const;
  /// Notes that a signal told this rank to end.
  void noteTold(int rank, int number) const;
  /// Notes where the parameters are, safe from now on. The first call counts.
  void noteSaved(const std::string &path) const;
  /// Notes the newest checkpoint of a folder, which is the same in each call.
  void noteCheckpoint(const std::string &folder, int64_t step) const;
  /// Whether every rank of this host has done all it had to.
  bool allFinished() const;
  /// Sum of the progress of all slots but one: unchanged means stuck.
  uint64_t progressOfOthers(int rank) const;

private:
  Status make(const std::string &name, int file, int firstRank, int numSlots);
  Status map(const std::string &name, int file);
  Status takeSlot(const std::string &name, int firstRank, int numSlots,
                  int index);
  bool isNamed() const;

  FlightHeader *mapped = nullptr;
  int64_t bytes = 0;
  // Of a record that was joined.
  int fd = -1; // holds the slot's lock
  int joinedSlot = 0;
  std::string path; // of its name
};

/// Called by a rank about itself; `slot` may be null. The first: from here on
/// others see whether it lives.
void comeUp(FlightSlot *slot);
void enterPhase(FlightSlot *slot, const char *phase, int64_t step);
void markOperation(FlightSlot *slot, const FlightMark &mark,
                   OperationState state);
/// The same where one thread knows all of the stream: this is what stands in
/// front of it, and `ended` operations have ended since it was last called.
void markStream(FlightSlot *slot, const FlightMark &mark, OperationState state,
                int64_t ended);
void markProgress(FlightSlot *slot);

/// Text of fixed size that can be built in a signal handler.
class SignalSafeText {
public:
  SignalSafeText &operator<<(const char *text);
  SignalSafeText &operator<<(int64_t number);
  const char *data() const { return buffer; }
  size_t size() const { return length; }

private:
  char buffer[6144] = "";
  size_t length = 0;
};

/// Looks for the rank of this host that died (its process is gone while it was
/// running) or, with `includeStuck`, that hangs: it is stopped, or it is the
/// one furthest behind, whose every operation at work is named. Appends "rank 1
/// was killed in operation 'all_gather' of unit 'blocks.0' (phase 'step', step
/// 3)"; false when there is none. `self` is never blamed. Safe in a signal
/// handler.
bool describeCulprit(const FlightFile &file, int self, bool includeStuck,
                     SignalSafeText &text);

/// Appends "rank 1 was told to end (SIGTERM) in operation ...", of the first
/// one that was; false when there is none. Safe in a signal handler.
bool describeTold(const FlightFile &file, SignalSafeText &text);

/// Appends "; the parameters are saved in 'x'"; false if they are not, or this
/// host does not know. Safe in a signal handler.
bool describeSaved(const FlightFile &file, SignalSafeText &text);

/// "rank 1" or "ranks 1, 2": those of the host that have not come up; "" where
/// all have.
std::string describeAbsent(const FlightFile &file);

/// Kills the ranks of this host that a signal has stopped: they could not end
/// by themselves, and would wake up between peers that are gone.
void killStoppedRanks(const FlightFile &file, int self);

/// "in operation 'x' of unit 'y' (phase 'step', step 3)".
void describePosition(const FlightSlot &slot, SignalSafeText &text);

} // namespace fsdprt

#endif // FSDPRT_CORE_FLIGHTRECORD_H
