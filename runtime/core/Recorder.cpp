//===- Recorder.cpp - What a program really touched -----------------------===//

#include "core/Recorder.h"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace fsdprt;

int Recorder::beginPhase(const std::string &name) {
  for (current = 0; current < records.size(); ++current)
    if (records[current].name == name)
      return int(current);
  records.push_back({name, {}});
  return int(current);
}

static OperationRecord describe(const fsdprt_op &op) {
  OperationRecord record{op.name,
                         op.unit,
                         op.stream,
                         op.record,
                         {op.waits, op.waits + op.num_waits},
                         {}};
  for (int32_t i = 0; i < op.num_args; ++i) {
    const fsdprt_arg &arg = op.args[i];
    record.accesses.push_back(
        {arg.arena, arg.access, arg.offset, arg.bytes, arg.buffer});
  }
  return record;
}

void Recorder::record(int64_t index, const fsdprt_op &op) {
  std::vector<OperationRecord> &operations = records[current].operations;
  size_t at = static_cast<size_t>(index);
  bool isNew = at >= operations.size();
  if (isNew)
    operations.resize(at + 1);
  OperationRecord &slot = operations[at];
  OperationRecord fresh = describe(op);
  if (isNew) {
    slot = std::move(fresh);
  } else { // another operation at this place: keep what both touched
    slot.name += "|" + fresh.name;
    slot.accesses.insert(slot.accesses.end(), fresh.accesses.begin(),
                         fresh.accesses.end());
  }
  for (int32_t i = 0; i < op.num_args; ++i) {
    const fsdprt_arg &arg = op.args[i];
    highest[arg.arena] = std::max(highest[arg.arena], arg.offset + arg.bytes);
  }
}

void Recorder::recordHost(int32_t arena, int64_t offset, int64_t bytes) {
  highest[arena] = std::max(highest[arena], offset + bytes);
}

int64_t Recorder::peakBytes() const {
  int64_t sum = 0;
  for (int64_t end : highest)
    sum += end;
  return sum;
}

static const char *accessName(int32_t access) {
  switch (access) {
  case FSDPRT_ACCESS_READ:
    return "read";
  case FSDPRT_ACCESS_WRITE:
    return "write";
  case FSDPRT_ACCESS_READ_WRITE:
    return "read_write";
  default:
    return "scratch";
  }
}

std::string fsdprt::recordsAsJson(const Recorder &recorder) {
  nlohmann::json phases = nlohmann::json::array();
  for (const PhaseRecord &phase : recorder.phases()) {
    nlohmann::json operations = nlohmann::json::array();
    for (const OperationRecord &operation : phase.operations) {
      nlohmann::json accesses = nlohmann::json::array();
      for (const AccessRecord &access : operation.accesses)
        accesses.push_back({{"arena", access.arena},
                            {"access", accessName(access.access)},
                            {"offset", access.offset},
                            {"bytes", access.bytes},
                            {"buffer", access.buffer}});
      operations.push_back({{"name", operation.name},
                            {"unit", operation.unit},
                            {"stream", operation.stream},
                            {"event", operation.event},
                            {"waits", operation.waits},
                            {"accesses", std::move(accesses)}});
    }
    phases.push_back(
        {{"name", phase.name}, {"operations", std::move(operations)}});
  }
  return nlohmann::json{{"measured_peak_bytes", recorder.peakBytes()},
                        {"phases", std::move(phases)}}
             .dump(1) +
         "\n";
}
