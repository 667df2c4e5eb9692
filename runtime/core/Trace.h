//===- Trace.h - When every operation ran -----------------------*- C++ -*-===//
//
// A rank measures its operations only when it is asked to, into memory taken
// before the first step: the newest spans stay, so memory is bounded whatever
// the number of steps. The thread that runs the program and the communication
// thread have a ring each and share nothing.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CORE_TRACE_H
#define FSDPRT_CORE_TRACE_H

#include "abi/fsdprt.h"

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace fsdprt {

/// What traces and profilers call an operation: unit and name, as in the plan.
std::string displayName(const fsdprt_op &op);

/// One stretch of time on a stream.
struct TraceSpan {
  enum class Kind : int32_t {
    Phase,    // a whole phase; has no operation
    Dispatch, // an operation at work
    Wait      // compute blocked until the operation may start, or in a join
  };

  Kind kind = Kind::Dispatch;
  int32_t phase = 0;             // number in Trace::phaseNames
  int32_t run = 0;               // of the phase in its step: its microbatches
  const fsdprt_op *op = nullptr; // of the program, which stays loaded
  int64_t step = 0, index = 0;   // issue order in the phase
  int64_t begin = 0, end = 0;    // nanoseconds of CLOCK_MONOTONIC
};

/// The newest `capacity` spans of one thread.
class TraceRing {
public:
  /// Memory is reserved, but touched only as far as it is used.
  explicit TraceRing(int64_t capacity)
      : spans(static_cast<TraceSpan *>(
            ::operator new(capacity * sizeof(TraceSpan)))),
        capacity(capacity) {}

  void add(const TraceSpan &span) {
    new (&spans.get()[count++ % capacity]) TraceSpan(span);
  }
  int64_t lost() const { return count > capacity ? count - capacity : 0; }
  /// What is left, oldest first.
  std::vector<TraceSpan> take() const;

private:
  struct Free {
    void operator()(TraceSpan *spans) const { ::operator delete(spans); }
  };
  std::unique_ptr<TraceSpan, Free> spans;
  int64_t capacity, count = 0;
};

class Trace {
public:
  enum Thread { Program, Communication, NumThreads };
  /// 16 MiB a thread; a step of 80 layers has about 10,000 operations.
  static constexpr int64_t defaultCapacity = int64_t(1) << 18;

  /// Nanoseconds: a shorter wait is only a look at events that are there.
  static constexpr int64_t leastWait = 1000;

  /// Measures steps [first, end).
  Trace(int64_t first, int64_t end, int64_t capacity = defaultCapacity)
      : first(first), end(end),
        rings{TraceRing(capacity), TraceRing(capacity)} {}

  static int64_t now();

  /// All streams are idle at both.
  void beginPhase(const std::string &name, int64_t step);
  void endPhase();
  /// Whether the phase that runs is measured.
  bool active() const { return isActive; }

  void add(Thread thread, TraceSpan::Kind kind, const fsdprt_op *op,
           int64_t index, int64_t begin, int64_t end) {
    rings[thread].add(
        {kind, currentPhase, currentRun, op, currentStep, index, begin, end});
  }

  /// The spans of all steps of which none was lost, oldest first in each
  /// thread; those of fewer steps than asked for when a ring was too small.
  std::vector<TraceSpan> take() const;
  int64_t lost() const;
  const std::vector<std::string> &phaseNames() const { return phases; }

private:
  const int64_t first, end;
  TraceRing rings[NumThreads];
  std::vector<std::string> phases;
  std::vector<std::pair<int64_t, int32_t>> lastRuns; // step and run, by phase
  bool isActive = false;
  int32_t currentPhase = 0, currentRun = 0;
  int64_t currentStep = -1, phaseBegin = 0;
};

} // namespace fsdprt

#endif // FSDPRT_CORE_TRACE_H
