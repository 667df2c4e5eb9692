//===- FsdpRt.cpp - The fsdprt dialect ------------------------------------===//
#include "dialects/FsdpRt/FsdpRt.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace fsdp::rt;

#include "dialects/FsdpRt/FsdpRtDialect.cpp.inc"
#include "dialects/FsdpRt/FsdpRtEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/FsdpRt/FsdpRtAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/FsdpRt/FsdpRtTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/FsdpRt/FsdpRtOps.cpp.inc"

void FsdpRtDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/FsdpRt/FsdpRtAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/FsdpRt/FsdpRtTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/FsdpRt/FsdpRtOps.cpp.inc"
      >();
}
