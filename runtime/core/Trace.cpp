//===- Trace.cpp - When every operation ran -------------------------------===//

#include "core/Trace.h"

#include <algorithm>
#include <chrono>

using namespace fsdprt;

std::vector<TraceSpan> TraceRing::take() const {
  std::vector<TraceSpan> all;
  all.reserve(count - lost());
  for (int64_t i = lost(); i < count; ++i)
    all.push_back(spans.get()[i % capacity]);
  return all;
}

std::string fsdprt::displayName(const fsdprt_op &op) {
  return op.unit[0] ? std::string(op.unit) + " " + op.name : op.name;
}

int64_t Trace::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Trace::beginPhase(const std::string &name, int64_t step) {
  isActive = step >= first && step < end;
  if (!isActive)
    return;
  currentStep = step;
  auto found = std::find(phases.begin(), phases.end(), name);
  currentPhase = int32_t(found - phases.begin());
  if (found == phases.end()) {
    phases.push_back(name);
    lastRuns.emplace_back(-1, 0);
  }
  auto &[lastStep, lastRun] = lastRuns[currentPhase];
  currentRun = lastStep == step ? lastRun + 1 : 0;
  lastStep = step;
  lastRun = currentRun;
  phaseBegin = now();
}

void Trace::endPhase() {
  if (isActive)
    add(Program, TraceSpan::Kind::Phase, nullptr, -1, phaseBegin, now());
  isActive = false;
}

std::vector<TraceSpan> Trace::take() const {
  std::vector<TraceSpan> all;
  int64_t firstWhole = first;
  for (const TraceRing &ring : rings) {
    std::vector<TraceSpan> spans = ring.take();
    if (ring.lost() && !spans.empty())
      firstWhole = std::max(firstWhole, spans.front().step + 1);
    all.insert(all.end(), spans.begin(), spans.end());
  }
  all.erase(std::remove_if(
                all.begin(), all.end(),
                [&](const TraceSpan &span) { return span.step < firstWhole; }),
            all.end());
  return all;
}

int64_t Trace::lost() const {
  int64_t sum = 0;
  for (const TraceRing &ring : rings)
    sum += ring.lost();
  return sum;
}
