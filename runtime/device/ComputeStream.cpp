//===- ComputeStream.cpp - Compute at issue -------------------------------===//

#include "device/ComputeStream.h"

using namespace fsdprt;

Status ComputeStream::enqueue(const Dispatch &operation) {
  if (workOf(operation).isExchange()) {
    FSDPRT_RETURN_IF_ERROR(communication.enqueue(operation));
    return communication.waitForStream(FSDPRT_STREAM_COMPUTE);
  }
  bool isTraced = trace && trace->active();
  FSDPRT_RETURN_IF_ERROR(isTraced ? runTraced(operation) : run(operation));
  markOperation(slot, operation.mark, OperationState::Ended);
  communication.poisonDead(operation);
  communication.record(*operation.op);
  return Status();
}

Status ComputeStream::waitForEvents(const Dispatch &operation) {
  if (!communication.areRecorded(*operation.op)) {
    markOperation(slot, operation.mark, OperationState::Issued);
    FSDPRT_RETURN_IF_ERROR(communication.waitForEvents(*operation.op));
  }
  markOperation(slot, operation.mark, OperationState::Started);
  return Status();
}

Status ComputeStream::run(const Dispatch &operation) {
  FSDPRT_RETURN_IF_ERROR(waitForEvents(operation));
  return workOf(operation).begin();
}

Status ComputeStream::runTraced(const Dispatch &operation) {
  const fsdprt_op *op = operation.op;
  int64_t issued = Trace::now();
  FSDPRT_RETURN_IF_ERROR(waitForEvents(operation));
  int64_t begin = Trace::now();
  FSDPRT_RETURN_IF_ERROR(workOf(operation).begin());
  if (op->num_waits > 0 && begin - issued >= Trace::leastWait)
    trace->add(Trace::Program, TraceSpan::Kind::Wait, op, operation.index(),
               issued, begin);
  trace->add(Trace::Program, TraceSpan::Kind::Dispatch, op, operation.index(),
             begin, Trace::now());
  return Status();
}
