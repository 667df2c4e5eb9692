//===- ScheduleModel.h - What several ranks may do at once ------*- C++ -*-===//
//
// A schedule apart from any IR: for each rank the dispatches in issue order,
// with the bytes they touch and the collectives they take part in. Its
// semantics:
//  - a dispatch starts when the one before it on its stream and all that it
//    waits for have ended;
//  - a collective ends on a member when all members have started theirs: it is
//    in progress, and its bytes are in use, from the start on its own rank;
//  - what is issued after a dispatch of stream 0 is issued when that has ended
//    (runtime/device/ComputeStream.h). A device may run ahead there, so this
//    may block but orders nothing.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_PASSES_VERIFY_SCHEDULEMODEL_H
#define FSDP_PASSES_VERIFY_SCHEDULEMODEL_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fsdp::schedule {
/// Bytes [begin, end) of an arena of the dispatch's rank.
struct Touch {
  int64_t arena = 0, begin = 0, end = 0;
  bool writes = false;
};

struct Collective {
  size_t communicator = 0; ///< in Schedule::communicators
  std::string kind, unit;
  int64_t bytes = 0;
};

inline bool operator==(const Collective &a, const Collective &b) {
  return a.communicator == b.communicator && a.kind == b.kind &&
         a.unit == b.unit && a.bytes == b.bytes;
}

struct Dispatch {
  size_t stream = 0;
  std::vector<size_t> waits; ///< dispatches of its rank, whose ends it awaits
  std::vector<Touch> touches;
  std::optional<Collective> collective;
};

struct Schedule {
  std::vector<std::vector<Dispatch>> ranks;       ///< in issue order
  std::vector<std::vector<size_t>> communicators; ///< the ranks in each
};

/// What must hold, in the order in which it is checked: each rule relies on
/// those before it.
enum class Rule {
  Event,  ///< an event is recorded by a dispatch issued before
  Stream, ///< a rank uses a communicator on one stream
  Order,  ///< all members of a communicator, and no others, issue the same
          ///< sequence of collectives on it
  Cycle,  ///< no dispatch waits, through whatever rank, for itself
  Race    ///< two dispatches of a rank that touch the same bytes, one of them
          ///< writing, never are in progress together
};

/// One dispatch: its rank, and its number there in issue order.
struct Place {
  size_t rank = 0, dispatch = 0;
};

inline bool operator==(const Place &a, const Place &b) {
  return a.rank == b.rank && a.dispatch == b.dispatch;
}

struct Violation {
  Rule rule = Rule::Event;
  Place at;
  /// Event: the dispatch waited for. Stream: the use on the other stream.
  /// Order: what another member issues there; none if it issues no more.
  /// Race: the other dispatch.
  std::optional<Place> other;
  Touch touch;              ///< Race: bytes that both touch
  std::vector<Place> cycle; ///< Cycle: each waits for the next, the last for
                            ///< the first
};

/// The first violation found, if any. Takes time in proportion to dispatches
/// and touches, nearly: not to pairs of them.
std::optional<Violation> findViolation(const Schedule &schedule);
} // namespace fsdp::schedule

#endif // FSDP_PASSES_VERIFY_SCHEDULEMODEL_H
