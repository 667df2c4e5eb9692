//===- ManifestUnits.h - Units and their parameters -------------*- C++ -*-===//

#ifndef FSDPRT_CORE_MANIFESTUNITS_H
#define FSDPRT_CORE_MANIFESTUNITS_H

#include "core/ManifestFields.h"

namespace fsdprt {

/// The sections of a manifest that say who owns what, in this order; both throw
/// fields::Malformed.
void parseUnits(Manifest &manifest, const fields::Json &json);
void parseParameters(Manifest &manifest, const fields::Json &json);

} // namespace fsdprt

#endif // FSDPRT_CORE_MANIFESTUNITS_H
