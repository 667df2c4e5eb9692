//===- Fsdp.cpp - The fsdp dialect ----------------------------------------===//
#include "dialects/Fsdp/Fsdp.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp::sharding;

#include "dialects/Fsdp/FsdpDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Fsdp/FsdpTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Fsdp/FsdpOps.cpp.inc"

namespace {
/// Prints meshes and layouts through aliases: `#mesh`, `#layout`.
struct FsdpAsmInterface : public OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    if (isa<MeshAttr>(attr))
      os << "mesh";
    else if (isa<LayoutAttr>(attr))
      os << "layout";
    else
      return AliasResult::NoAlias;
    return AliasResult::FinalAlias;
  }
};
} // namespace

void FsdpDialect::initialize() {
  registerAttributes();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Fsdp/FsdpTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Fsdp/FsdpOps.cpp.inc"
      >();
  addInterfaces<FsdpAsmInterface>();
}
