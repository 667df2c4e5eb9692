//===- Fsdp.h - The fsdp dialect --------------------------------*- C++ -*-===//
#ifndef FSDP_DIALECTS_FSDP_FSDP_H
#define FSDP_DIALECTS_FSDP_FSDP_H

#include "dialects/Train/Train.h"

namespace fsdp::sharding {
/// What ranks say to each other, as a resource: ops that write it keep their
/// order and number.
struct CommunicationResource
    : public mlir::SideEffects::Resource::Base<CommunicationResource> {
  llvm::StringRef getName() final { return "Communication"; }
};

/// Bytes that offsets of parameters in a line, and shards, are multiples of.
inline constexpr int64_t kLineAlignment = 64;
} // namespace fsdp::sharding

#include "dialects/Fsdp/FsdpEnums.h.inc"

#include "dialects/Fsdp/FsdpDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Fsdp/FsdpAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Fsdp/FsdpTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/Fsdp/FsdpOps.h.inc"

namespace fsdp::sharding {
/// Elements of type `element` in kLineAlignment bytes.
int64_t lineAlignment(mlir::Type element);

/// The layout of tensors of the given types over `axes`: each at the next
/// multiple of `align` elements.
LayoutAttr getPackedLayout(Placement placement, MeshAttr mesh,
                           llvm::ArrayRef<mlir::StringAttr> axes,
                           llvm::ArrayRef<mlir::Type> types, int64_t align);
} // namespace fsdp::sharding

#endif // FSDP_DIALECTS_FSDP_FSDP_H
