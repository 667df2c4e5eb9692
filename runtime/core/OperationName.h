//===- OperationName.h - How messages name an operation ---------*- C++ -*-===//

#ifndef FSDPRT_CORE_OPERATIONNAME_H
#define FSDPRT_CORE_OPERATIONNAME_H

#include "core/FlightRecord.h"

#include <string>

namespace fsdprt {

/// "operation 7 ('gelu' of unit 'h.0')", where `index` counts what its phase
/// issues.
std::string operationName(const fsdprt_op &op, int64_t index);

/// " of phase 'step', step 3": `step` counts from 0, the text from 1 as the
/// progress does; below 0 there is none.
std::string phaseName(const std::string &phase, int64_t step);
/// Of the phase that the record says the rank is in; `slot` may be null.
std::string phaseName(const FlightSlot *slot);

} // namespace fsdprt

#endif // FSDPRT_CORE_OPERATIONNAME_H
