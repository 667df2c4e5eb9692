//===- OperationName.cpp - How messages name an operation -----------------===//

#include "core/OperationName.h"

using namespace fsdprt;

std::string fsdprt::operationName(const fsdprt_op &op, int64_t index) {
  std::string name =
      "operation " + std::to_string(index) + " ('" + op.name + "'";
  if (op.unit[0])
    name += " of unit '" + std::string(op.unit) + "'";
  return name + ")";
}

std::string fsdprt::phaseName(const std::string &phase, int64_t step) {
  std::string name = " of phase '" + phase + "'";
  return step < 0 ? name : name + ", step " + std::to_string(step + 1);
}

std::string fsdprt::phaseName(const FlightSlot *slot) {
  return slot ? phaseName(slot->phase, slot->step) : "";
}
