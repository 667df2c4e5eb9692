//===- PlanCheck.cpp - Records against the memory plan --------------------===//

#include "core/PlanCheck.h"

#include <algorithm>
#include <map>

using namespace fsdprt;

namespace {

/// A buffer as the records of one phase show it.
struct Observed {
  int64_t begin = INT64_MAX, end = INT64_MIN; // bytes of the arena
  int64_t first = -1, last = -1;              // issue order
  bool firstWrites = false;
};

using ObservedBuffers = std::map<int64_t, Observed>; // by buffer id

std::string describe(const BufferSpec &buffer) {
  return "buffer " + std::to_string(buffer.id) + " ('" + buffer.name + "', " +
         buffer.kind + (buffer.unit.empty() ? "" : " of unit '") + buffer.unit +
         (buffer.unit.empty() ? ")" : "')");
}

bool touchedByHost(const BufferSpec &buffer) {
  return buffer.kind == "input" || buffer.kind == "scalar";
}

bool isPersistent(const BufferSpec &buffer) { return buffer.phase.empty(); }

/// Meeting at one operation is in-place: it reads what was written before and
/// writes the other.
bool endsBefore(const Observed &a, const Observed &b) {
  return a.last < b.first || (a.last == b.first && a.first < a.last);
}

class PhaseChecker {
public:
  PhaseChecker(const Manifest &manifest,
               const std::map<int64_t, const BufferSpec *> &plan,
               const PhaseRecord &phase)
      : manifest(manifest), plan(plan), phase(phase),
        number(manifest.phaseNumber(phase.name)) {}

  Status observe(ObservedBuffers &observed) const;
  Status compareLives(const ObservedBuffers &observed) const;
  Status compareNeighbours(const ObservedBuffers &observed) const;

private:
  Status observeAccess(int64_t index, const AccessRecord &access,
                       ObservedBuffers &observed) const;
  bool begins(const BufferSpec &buffer) const {
    return manifest.beginOf(buffer).first == number;
  }
  bool ends(const BufferSpec &buffer) const {
    return manifest.endOf(buffer).first == number;
  }
  bool isAlive(const BufferSpec &buffer) const {
    return isPersistent(buffer) || (manifest.beginOf(buffer).first <= number &&
                                    number <= manifest.endOf(buffer).first);
  }
  Status compareLife(const BufferSpec &buffer, const Observed &seen) const;
  std::string at(int64_t index) const {
    const OperationRecord &operation = phase.operations[index];
    return "operation " + std::to_string(index) + " ('" + operation.name +
           "') of phase '" + phase.name + "'";
  }

  const Manifest &manifest;
  const std::map<int64_t, const BufferSpec *> &plan;
  const PhaseRecord &phase;
  const int number; // of the phase in the program's order
};

Status PhaseChecker::observeAccess(int64_t index, const AccessRecord &access,
                                   ObservedBuffers &observed) const {
  auto found = plan.find(access.buffer);
  if (found == plan.end())
    return failure(at(index), " touches buffer ", access.buffer,
                   ", which is not in the plan");
  const BufferSpec &buffer = *found->second;
  if (!isAlive(buffer))
    return failure(at(index), " touches ", describe(buffer),
                   ", which the plan has in phase '", buffer.phase, "'");
  int64_t end = access.offset + access.bytes;
  if (access.arena != buffer.arena || access.offset < buffer.offset ||
      end > buffer.offset + buffer.bytes)
    return failure(at(index), " touches bytes [", access.offset, ", ", end,
                   ") of arena ", access.arena, " as ", describe(buffer),
                   ", which is planned at [", buffer.offset, ", ",
                   buffer.offset + buffer.bytes, ") of arena ", buffer.arena);
  Observed &seen = observed[access.buffer];
  seen.begin = std::min(seen.begin, access.offset);
  seen.end = std::max(seen.end, end);
  bool writes = access.access != FSDPRT_ACCESS_READ;
  bool reads = access.access == FSDPRT_ACCESS_READ ||
               access.access == FSDPRT_ACCESS_READ_WRITE;
  if (seen.first < 0) {
    seen.first = index;
    seen.firstWrites = true;
  }
  // In the first operation a write counts only if nothing there reads first.
  if (seen.first == index && (reads || !writes))
    seen.firstWrites = false;
  seen.last = index;
  return Status();
}

Status PhaseChecker::observe(ObservedBuffers &observed) const {
  for (size_t i = 0; i < phase.operations.size(); ++i)
    for (const AccessRecord &access : phase.operations[i].accesses)
      FSDPRT_RETURN_IF_ERROR(observeAccess(i, access, observed));
  return Status();
}

/// Of a life that goes over several phases, each has its end of it.
Status PhaseChecker::compareLife(const BufferSpec &buffer,
                                 const Observed &seen) const {
  if (begins(buffer) &&
      (seen.begin != buffer.offset || seen.end != buffer.offset + buffer.bytes))
    return failure(describe(buffer), " is planned with ", buffer.bytes,
                   " bytes but bytes [", seen.begin - buffer.offset, ", ",
                   seen.end - buffer.offset, ") of it are used");
  if (begins(buffer) && !touchedByHost(buffer) && !seen.firstWrites)
    return failure(at(seen.first), " reads ", describe(buffer),
                   " before anything wrote it");
  int64_t first = begins(buffer) ? buffer.first : seen.first;
  int64_t last = ends(buffer) ? buffer.last : seen.last;
  if (touchedByHost(buffer) ? seen.first < first || seen.last > last
                            : seen.first != first || seen.last != last)
    return failure(describe(buffer), " lives over operations [", seen.first,
                   ", ", seen.last, "] of phase '", phase.name, "', ",
                   touchedByHost(buffer) ? "beyond its planned life"
                                         : "planned",
                   " [", first, ", ", last, "]");
  return Status();
}

Status PhaseChecker::compareLives(const ObservedBuffers &observed) const {
  for (const auto &[id, buffer] : plan) {
    if (isPersistent(*buffer) || !isAlive(*buffer))
      continue;
    auto found = observed.find(id);
    if (found != observed.end())
      FSDPRT_RETURN_IF_ERROR(compareLife(*buffer, found->second));
    else if (!touchedByHost(*buffer) && (begins(*buffer) || ends(*buffer)))
      return failure(describe(*buffer), " is planned in phase '", phase.name,
                     "' but no operation touches it");
  }
  return Status();
}

/// Buffers sorted by offset; only those that start before the running end of
/// an earlier one can share bytes with it.
Status PhaseChecker::compareNeighbours(const ObservedBuffers &observed) const {
  std::vector<std::pair<const BufferSpec *, Observed>> alive;
  for (const auto &[id, seen] : observed) {
    const BufferSpec *buffer = plan.at(id);
    Observed life = seen;
    if (touchedByHost(*buffer)) {
      life.first = buffer->first;
      life.last = buffer->last;
    }
    if (isPersistent(*buffer) || !begins(*buffer))
      life.first = -1;
    if (isPersistent(*buffer) || !ends(*buffer))
      life.last = INT64_MAX;
    alive.emplace_back(buffer, life);
  }
  for (const auto &[id, buffer] : plan)
    if (!isPersistent(*buffer) && isAlive(*buffer) && !observed.count(id) &&
        !touchedByHost(*buffer)) // it waits for a later phase
      alive.push_back({buffer,
                       {buffer->offset, buffer->offset + buffer->bytes, -1,
                        INT64_MAX, false}});
  std::sort(alive.begin(), alive.end(), [](const auto &a, const auto &b) {
    return std::make_pair(a.first->arena, a.second.begin) <
           std::make_pair(b.first->arena, b.second.begin);
  });
  for (size_t i = 0; i < alive.size(); ++i)
    for (size_t j = i + 1; j < alive.size(); ++j) {
      const auto &[a, lifeA] = alive[i];
      const auto &[b, lifeB] = alive[j];
      if (a->arena != b->arena || lifeB.begin >= lifeA.end)
        break;
      if (endsBefore(lifeA, lifeB) || endsBefore(lifeB, lifeA))
        continue;
      return failure(describe(*a), " and ", describe(*b),
                     " share bytes while both are alive in phase '", phase.name,
                     "' (operations [", lifeA.first, ", ", lifeA.last,
                     "] and [", lifeB.first, ", ", lifeB.last, "])");
    }
  return Status();
}

} // namespace

/// A run without --save never enters the export phase: then only the buffers of
/// the phases that ran count.
static int64_t plannedPeakOf(const Manifest &manifest,
                             const Recorder &recorder) {
  if (recorder.phases().size() == manifest.phases.size())
    return manifest.plannedPeakBytes;
  std::vector<int64_t> highest(manifest.arenas.size(), 0);
  for (const BufferSpec &buffer : manifest.buffers)
    for (const PhaseRecord &phase : recorder.phases())
      if (buffer.phase.empty() || buffer.phase == phase.name)
        // of a longer life this is where it is written
        highest[buffer.arena] =
            std::max(highest[buffer.arena], buffer.offset + buffer.bytes);
  int64_t sum = 0;
  for (int64_t end : highest)
    sum += end;
  return sum;
}

Status fsdprt::checkPlan(const Manifest &manifest, const Recorder &recorder) {
  std::map<int64_t, const BufferSpec *> plan;
  for (const BufferSpec &buffer : manifest.buffers)
    if (!plan.emplace(buffer.id, &buffer).second)
      return failure("the plan has two buffers with id ", buffer.id);
  for (const PhaseRecord &phase : recorder.phases()) {
    PhaseChecker checker(manifest, plan, phase);
    ObservedBuffers observed;
    FSDPRT_RETURN_IF_ERROR(checker.observe(observed));
    FSDPRT_RETURN_IF_ERROR(checker.compareLives(observed));
    FSDPRT_RETURN_IF_ERROR(checker.compareNeighbours(observed));
  }
  int64_t planned = plannedPeakOf(manifest, recorder);
  if (recorder.peakBytes() != planned)
    return failure("the measured peak is ", recorder.peakBytes(),
                   " bytes, planned are ", planned);
  return Status();
}
