//===- ControlFlow.h - Branches and bodies in one line of nodes -*- C++ -*-===//
//
// The nodes of an If's branches and of a Loop's body are put into the graph,
// after the node that holds them, with names of their own. So parameters,
// records and readers are found in them as elsewhere; the importer walks such a
// region as often as its node says.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_CONTROLFLOW_H
#define FSDP_DIALECTS_ONNX_IMPORT_CONTROLFLOW_H

#include "dialects/Onnx/Import/Graph.h"

namespace fsdp::onnx {
/// Appends `nodes` to the graph, and what their bodies hold: initializers too,
/// which may be parameters. Fails, with one error at `loc`, where a branch or a
/// body is missing.
llvm::LogicalResult flattenBodies(std::vector<Node> nodes, Graph &graph,
                                  mlir::Location loc);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_CONTROLFLOW_H
