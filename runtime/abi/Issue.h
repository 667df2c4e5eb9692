//===- Issue.h - The way of every call of the program -----------*- C++ -*-===//
//
// The first time a phase issues an operation it is bound: its arguments are
// resolved, checked and recorded, and the device makes whatever of it does not
// change. The same call of a later step only compares the descriptor's address
// and enqueues: no lock, no allocation. A failure becomes a status whose
// message names operation, unit, phase and step. No exception leaves.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_ABI_ISSUE_H
#define FSDPRT_ABI_ISSUE_H

#include "abi/Context.h"

#include <exception>

namespace fsdprt {

/// Resolves, checks and records the arguments; `work` is still missing.
Expected<std::unique_ptr<Operation>> prepareOperation(fsdprt_context &context,
                                                      const fsdprt_op &op);

/// Keeps the failure as the context's error. Returns 1.
fsdprt_status failOperation(fsdprt_context &context, const fsdprt_op &op,
                            const Status &status);

/// `bind(operation)` returns the device's work, and may set what it moves.
template <typename Bind>
Expected<Operation *> bindOperation(fsdprt_context &context,
                                    const fsdprt_op &op, Bind bind) {
  auto operation = prepareOperation(context, op);
  if (!operation.ok())
    return operation.status();
  Device::Bound work = bind(**operation);
  if (!work.ok())
    return work.status();
  (*operation)->dispatch.work = std::move(*work);
  return context.operations.keep(std::move(*operation));
}

/// What all entry points do.
template <typename Desc, typename Bind>
fsdprt_status issue(fsdprt_context *context, const Desc *desc, Bind bind) {
  Status status;
  try {
    Operation *operation = context->operations.next(desc->op);
    if (context->device->failed())
      return failOperation(*context, desc->op, status);
    if (!operation) {
      auto bound = bindOperation(*context, desc->op, bind);
      if (!bound.ok())
        return failOperation(*context, desc->op, bound.status());
      operation = *bound;
    }
    context->counts += operation->counts;
    if (operation->savedFirst)
      context->gate->waitFor(operation->savedFirst);
    status = context->device->enqueue(operation->dispatch);
  } catch (const std::exception &exception) {
    status = failure("unexpected failure: ", exception.what());
  }
  return status.ok() ? 0 : failOperation(*context, desc->op, status);
}

} // namespace fsdprt

#endif // FSDPRT_ABI_ISSUE_H
