//===- PlanCheck.h - Records against the memory plan ------------*- C++ -*-===//

#ifndef FSDPRT_CORE_PLANCHECK_H
#define FSDPRT_CORE_PLANCHECK_H

#include "core/Manifest.h"
#include "core/Recorder.h"

namespace fsdprt {

/// Rebuilds every buffer's bytes and life from the records and compares them
/// with the manifest's buffers one by one; names the first mismatch.
///
/// For each recorded phase:
///  - an access belongs to a buffer of the plan and stays inside it;
///  - a buffer's accesses cover exactly its planned bytes;
///  - a buffer of the phase is first touched by its planned first operation,
///    which writes it, and last by its planned last one. Inputs and scalars
///    are written or read by the runtime too, before and after the phase: for
///    them the plan must contain the recorded life;
///  - two buffers that share bytes are never alive together (one operation may
///    read the one and write the other: in place).
/// A buffer of the plan that no operation of a phase that ran touches is a
/// mismatch; and the measured peak must be the planned one.
Status checkPlan(const Manifest &manifest, const Recorder &recorder);

} // namespace fsdprt

#endif // FSDPRT_CORE_PLANCHECK_H
