//===- TraceFile.cpp - The measured timeline of all ranks -----------------===//

#include "trainer/TraceFile.h"

#include "io/OutputFile.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <map>
#include <tuple>

using namespace fsdprt;
using Json = nlohmann::ordered_json;

static const char *const streamNames[FSDPRT_NUM_STREAMS] = {"compute", "gather",
                                                            "reduce", "copy"};

//===----------------------------------------------------------------------===//
// Events
//===----------------------------------------------------------------------===//

static int64_t bytesOf(const fsdprt_op &op) {
  int64_t bytes = 0;
  for (int32_t i = 0; i < op.num_args; ++i)
    if (op.args[i].access != FSDPRT_ACCESS_SCRATCH)
      bytes += op.args[i].bytes;
  return bytes;
}

namespace {

/// Turns spans into events; knows which operation records which event.
class EventWriter {
public:
  EventWriter(const Trace &trace, int rank, int64_t clockAhead)
      : phases(trace.phaseNames()), spans(trace.take()), rank(rank),
        clockAhead(clockAhead) {
    for (const TraceSpan &span : spans)
      if (span.kind == TraceSpan::Kind::Dispatch && span.op->record >= 0)
        recorders[{span.step, span.phase, span.run, span.op->record}] = &span;
  }

  std::string write() {
    addNames();
    for (const TraceSpan &span : spans)
      addSpan(span);
    return std::move(text);
  }

private:
  void add(const Json &event) { text += event.dump() + ",\n"; }

  void addNames() {
    add({{"ph", "M"},
         {"name", "process_name"},
         {"pid", rank},
         {"args", {{"name", "rank " + std::to_string(rank)}}}});
    for (int stream = 0; stream < FSDPRT_NUM_STREAMS; ++stream) {
      add({{"ph", "M"},
           {"name", "thread_name"},
           {"pid", rank},
           {"tid", stream},
           {"args", {{"name", streamNames[stream]}}}});
      add({{"ph", "M"},
           {"name", "thread_sort_index"},
           {"pid", rank},
           {"tid", stream},
           {"args", {{"sort_index", stream}}}});
    }
  }

  void addSpan(const TraceSpan &span) {
    int64_t step = span.step + 1; // as the metrics
    Json args = {{"step", step}, {"phase", phases[span.phase]}};
    std::string name = phases[span.phase] + " " + std::to_string(step);
    if (span.run > 0) { // a microbatch behind the first
      args["run"] = span.run;
      name += "." + std::to_string(span.run + 1);
    }
    const char *category = "phase";
    if (span.op) {
      args["index"] = span.index;
      args["unit"] = span.op->unit;
      args["scope"] = span.op->scope;
      args["bytes"] = bytesOf(*span.op);
      category = "dispatch";
      name = displayName(*span.op);
    }
    if (span.kind == TraceSpan::Kind::Wait) {
      category = "wait";
      name = "wait for " + awaited(span);
    }
    add({{"ph", "X"},
         {"name", name},
         {"cat", category},
         {"pid", rank},
         {"tid", span.op ? span.op->stream : 0},
         {"ts", double(span.begin - clockAhead) / 1000},
         {"dur", double(span.end - span.begin) / 1000},
         {"args", std::move(args)}});
  }

  /// What ended last of all that the operation waited for.
  std::string awaited(const TraceSpan &span) const {
    const TraceSpan *latest = nullptr;
    for (int32_t i = 0; i < span.op->num_waits; ++i) {
      auto found =
          recorders.find({span.step, span.phase, span.run, span.op->waits[i]});
      if (found != recorders.end() &&
          (!latest || latest->end < found->second->end))
        latest = found->second;
    }
    return latest ? displayName(*latest->op) : "all streams";
  }

  const std::vector<std::string> &phases;
  const std::vector<TraceSpan> spans;
  const int rank;
  const int64_t clockAhead;
  std::map<std::tuple<int64_t, int32_t, int32_t, int32_t>, const TraceSpan *>
      recorders;
  std::string text;
};

} // namespace

std::string fsdprt::traceEvents(const Trace &trace, int rank,
                                int64_t clockAhead) {
  return EventWriter(trace, rank, clockAhead).write();
}

//===----------------------------------------------------------------------===//
// Clocks of several hosts
//===----------------------------------------------------------------------===//

std::vector<int64_t>
fsdprt::clocksAhead(const std::vector<int64_t> &toFirst,
                    const std::vector<int64_t> &fromFirst) {
  std::vector<int64_t> ahead(toFirst.size());
  for (size_t rank = 0; rank < ahead.size(); ++rank)
    ahead[rank] = (fromFirst[rank] - toFirst[rank]) / 2;
  return ahead;
}

/// A number that all processes of a booted machine share.
static int64_t hostNumber() {
  std::ifstream stream("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(stream, id);
  return int64_t(std::hash<std::string>()(id));
}

/// How far this rank's clock is ahead of rank 0's; 0 on rank 0's host, whose
/// processes read the same clock.
static Expected<int64_t> measureClock(Control &control, int rank) {
  auto hosts = control.gatherValues(hostNumber());
  if (!hosts.ok())
    return hosts.status();
  std::vector<int64_t> least(hosts->size(), INT64_MAX);
  for (int round = 0; round < 16; ++round) {
    auto sent = control.gatherValues(Trace::now());
    if (!sent.ok())
      return sent.status();
    int64_t received = Trace::now();
    for (size_t peer = 0; peer < least.size(); ++peer)
      least[peer] = std::min(least[peer], received - (*sent)[peer]);
  }
  auto fromFirst = control.gatherValues(least[0]);
  if (!fromFirst.ok())
    return fromFirst.status();
  // Only rank 0 knows what came to it.
  std::vector<int64_t> ahead = clocksAhead(least, *fromFirst);
  int64_t mine = 0;
  for (size_t peer = 0; peer < ahead.size(); ++peer) {
    auto told = control.gatherValues(rank == 0 ? ahead[peer] : 0);
    if (!told.ok())
      return told.status();
    if (int(peer) == rank && (*hosts)[rank] != (*hosts)[0])
      mine = (*told)[0];
  }
  return mine;
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

static std::string head(const Trace &trace, const Manifest &manifest) {
  Json about = {{"format", "fsdp-run trace"},
                {"program", manifest.folder},
                {"mesh", manifest.meshString()},
                {"lost_spans", trace.lost()}};
  // The name of a folder may be no UTF-8.
  return "{\"displayTimeUnit\": \"ms\",\n\"otherData\": " +
         about.dump(-1, ' ', false, Json::error_handler_t::replace) +
         ",\n\"traceEvents\": [\n";
}

/// Rank `peer`'s events, on rank 0.
static Expected<std::string> receiveEvents(Control &control, int rank, int peer,
                                           int world, std::string events,
                                           int64_t bytes) {
  if (peer == 0)
    return events;
  char nothing = 0;
  std::vector<Transfer> transfers(world, Transfer{&nothing, &nothing, 0});
  // An exchange goes both ways: what rank 0 sends back means nothing.
  std::string received(rank == 0 || rank == peer ? bytes : 0, ' ');
  std::string sent = rank == peer ? events : std::string(received);
  if (rank == 0)
    transfers[peer] = {sent.data(), received.data(), bytes};
  if (rank == peer)
    transfers[0] = {sent.data(), received.data(), bytes};
  FSDPRT_RETURN_IF_ERROR(control.exchange(std::move(transfers)));
  return received;
}

/// All ranks' events to the file of rank 0; null on the others.
static Status writeEvents(Control &control, int rank, std::string own,
                          const std::vector<int64_t> &sizes, OutputFile *file) {
  int world = int(sizes.size());
  Status written;
  // The peers' events are taken even if they can no longer be written: a peer
  // would wait.
  for (int peer = 0; peer < world; ++peer) {
    Expected<std::string> events =
        receiveEvents(control, rank, peer, world,
                      peer == rank ? std::move(own) : "", sizes[peer]);
    if (!events.ok())
      return events.status();
    if (file && written.ok())
      written = file->append(*events);
  }
  return written;
}

Status fsdprt::writeTrace(const Trace &trace, Control &control, int rank,
                          const Manifest &manifest, const std::string &path) {
  Expected<int64_t> ahead = measureClock(control, rank);
  if (!ahead.ok())
    return ahead.status();
  std::string events = traceEvents(trace, rank, *ahead);
  auto sizes = control.gatherValues(int64_t(events.size()));
  if (!sizes.ok())
    return sizes.status();
  if (rank != 0)
    return writeEvents(control, rank, std::move(events), *sizes, nullptr);
  // JSON allows no comma at the end: one more event without.
  std::string last = Json{{"ph", "M"},
                          {"name", "process_sort_index"},
                          {"pid", 0},
                          {"args", {{"sort_index", 0}}}}
                         .dump() +
                     "\n]}\n";
  Expected<std::unique_ptr<OutputFile>> file = OutputFile::create(path);
  Status status = file.status();
  if (status.ok())
    status = (*file)->append(head(trace, manifest));
  Status sent = writeEvents(control, rank, std::move(events), *sizes,
                            status.ok() ? file->get() : nullptr);
  if (status.ok())
    status = sent;
  if (status.ok())
    status = (*file)->append(last);
  if (status.ok())
    status = (*file)->finish();
  return status.ok() ? status
                     : failure("cannot write the trace to '", path,
                               "': ", status.message());
}
