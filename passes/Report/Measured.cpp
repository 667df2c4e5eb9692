//===- Measured.cpp - A trace laid over the plan --------------------------===//
#include "passes/Report/Measured.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

#include <deque>
#include <map>

using namespace mlir;
using namespace fsdp;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

namespace {
/// A stretch of time in a trace, in microseconds.
struct Span {
  double begin = 0, end = 0;
  int64_t index = -1; ///< of the dispatch in its phase
  StringRef name;
};

/// One run of a phase on one rank.
struct Run {
  Span phase;
  std::vector<Span> dispatches, waits;

  double blocked() const {
    double sum = 0;
    for (const Span &wait : waits)
      sum += wait.end - wait.begin;
    return sum;
  }
};

/// By step and run in it: a phase runs again for each microbatch.
using Runs = std::map<std::pair<int64_t, int64_t>, Run>;
/// By phase and rank.
using Traced = std::map<std::string, std::map<int64_t, Runs>>;

class TraceReader {
public:
  TraceReader(StringRef path, const Object &report, std::string &problem)
      : path(path), report(report), problem(problem) {}

  FailureOr<Object> read() {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    if (!buffer)
      return fail(llvm::formatv("cannot read the trace '{0}': {1}", path,
                                buffer.getError().message()));
    auto parsed = llvm::json::parse((*buffer)->getBuffer());
    if (!parsed) {
      llvm::consumeError(parsed.takeError());
      return notATrace();
    }
    const Object *root = parsed->getAsObject();
    const Object *about = root ? root->getObject("otherData") : nullptr;
    const Array *events = root ? root->getArray("traceEvents") : nullptr;
    if (!about || !events || about->getString("format") != "fsdp-run trace")
      return notATrace();
    for (const Value &event : *events)
      if (failed(addEvent(event.getAsObject())))
        return notATrace();
    Object measured;
    for (auto &[phase, ranks] : traced) {
      FailureOr<Object> laid = layOver(phase, ranks);
      if (failed(laid))
        return failure();
      measured[phase] = std::move(*laid);
    }
    if (measured.empty())
      return notATrace();
    return measured;
  }

private:
  LogicalResult fail(const std::string &message) {
    problem = message;
    return failure();
  }
  LogicalResult notATrace() {
    return fail(llvm::formatv("'{0}' is not a trace of a run; write one with "
                              "fsdp-run --trace",
                              path));
  }
  LogicalResult anotherProgram(const std::string &why) {
    return fail(llvm::formatv("'{0}' is a trace of another program: {1}; trace "
                              "the program that these flags compile",
                              path, why));
  }

  LogicalResult addEvent(const Object *event) {
    if (!event)
      return failure();
    if (event->getString("ph") != "X")
      return success();
    const Object *args = event->getObject("args");
    auto begin = event->getNumber("ts"), length = event->getNumber("dur");
    auto rank = event->getInteger("pid");
    auto category = event->getString("cat"), name = event->getString("name");
    auto phase = args ? args->getString("phase") : std::nullopt;
    auto step = args ? args->getInteger("step") : std::nullopt;
    if (!begin || !length || !rank || !category || !name || !phase || !step)
      return failure();
    names.push_back(name->str()); // the parsed text does not stay
    Span span{*begin, *begin + *length, args->getInteger("index").value_or(-1),
              names.back()};
    Run &run = traced[phase->str()][*rank]
                     [{*step, args->getInteger("run").value_or(0)}];
    if (*category == "phase")
      run.phase = span;
    else
      (*category == "wait" ? run.waits : run.dispatches).push_back(span);
    return success();
  }

  const Array *plannedDispatches(StringRef name) const {
    for (const Value &phase : *report.getArray("phases"))
      if (phase.getAsObject()->getString("name") == name)
        return phase.getAsObject()->getArray("dispatches");
    return nullptr;
  }

  /// Puts a run's dispatches in issue order, if they are the plan's.
  LogicalResult match(Run &run, StringRef phase, const Array &planned) {
    llvm::sort(run.dispatches,
               [](const Span &a, const Span &b) { return a.index < b.index; });
    for (auto [place, plan] : llvm::enumerate(planned)) {
      const Object &dispatch = *plan.getAsObject();
      StringRef unit = *dispatch.getString("unit");
      std::string expected =
          (unit + (unit.empty() ? "" : " ") + *dispatch.getString("name"))
              .str();
      bool isThere = place < run.dispatches.size() &&
                     run.dispatches[place].index == int64_t(place);
      if (isThere && run.dispatches[place].name == expected)
        continue;
      return anotherProgram(llvm::formatv(
          "dispatch {0} of phase '{1}' is {2}, planned is '{3}'", place, phase,
          isThere ? "'" + run.dispatches[place].name.str() + "'" : "missing",
          expected));
    }
    if (run.dispatches.size() != planned.size())
      return anotherProgram(
          llvm::formatv("phase '{0}' has {1} dispatches, planned are {2}",
                        phase, run.dispatches.size(), planned.size()));
    return success();
  }

  FailureOr<Object> layOver(StringRef phase, std::map<int64_t, Runs> &ranks) {
    const Array *planned = plannedDispatches(phase);
    if (!planned)
      return anotherProgram(
          llvm::formatv("there is no phase '{0}' in the plan", phase));
    int64_t world = *report.getInteger("world");
    if (int64_t(ranks.size()) != world || ranks.begin()->first != 0)
      return anotherProgram(llvm::formatv("it has {0} ranks, planned are {1}",
                                          ranks.size(), world));
    Array summaries;
    for (auto &[rank, runs] : ranks) {
      for (auto &[key, run] : runs)
        if (failed(match(run, phase, *planned)))
          return failure();
      summaries.push_back(summarise(rank, runs));
    }
    Object object = describeMedian(ranks[0]);
    object["ranks"] = std::move(summaries);
    return object;
  }

  static Object summarise(int64_t rank, const Runs &runs) {
    double seconds = 0, blocked = 0, number = double(runs.size());
    for (auto &[key, run] : runs) {
      seconds += (run.phase.end - run.phase.begin) / 1e6;
      blocked += run.blocked() / 1e6;
    }
    return Object{{"rank", rank},
                  {"seconds", seconds / number},
                  {"blocked", blocked / number}};
  }

  static Object describeMedian(const Runs &runs) {
    std::vector<std::pair<double, Runs::key_type>> lengths;
    for (auto &[key, run] : runs)
      lengths.emplace_back(run.phase.end - run.phase.begin, key);
    llvm::sort(lengths);
    const Runs::key_type &key = lengths[lengths.size() / 2].second;
    const Run &run = runs.at(key);
    auto seconds = [&](double at) { return (at - run.phase.begin) / 1e6; };
    Array dispatches, waits;
    for (const Span &span : run.dispatches)
      dispatches.push_back(Array{seconds(span.begin), seconds(span.end)});
    for (const Span &span : run.waits)
      waits.push_back(Array{seconds(span.begin), seconds(span.end),
                            span.name.str(), span.index});
    return Object{{"step", key.first},
                  {"steps", int64_t(runs.size())},
                  {"seconds", seconds(run.phase.end)},
                  {"blocked", run.blocked() / 1e6},
                  {"dispatches", std::move(dispatches)},
                  {"waits", std::move(waits)}};
  }

  StringRef path;
  const Object &report;
  std::string &problem;
  Traced traced;
  std::deque<std::string> names;
};
} // namespace

FailureOr<Object> fsdp::readMeasured(StringRef path, const Object &report,
                                     std::string &problem) {
  return TraceReader(path, report, problem).read();
}
