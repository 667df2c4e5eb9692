//===- GraphNames.cpp - Every name means one value ------------------------===//
#include "dialects/Onnx/Import/Graph.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fsdp::onnx;

LogicalResult fsdp::onnx::checkNames(const Graph &graph, Location loc) {
  llvm::StringSet<> defined;
  for (const ValueRecord &input : graph.inputs)
    if (!defined.insert(input.name).second)
      return mlir::emitError(loc)
             << "input '" << input.name << "' is there twice";
  for (const Node &node : graph.nodes)
    for (const Region &region : node.regions)
      for (const std::string &input : region.inputs)
        if (!defined.insert(input).second)
          return mlir::emitError(loc)
                 << "input '" << input << "' of the body of node '" << node.name
                 << "' (" << node.opType
                 << ") is defined before: give one of the two another name";
  for (const Node &node : graph.nodes)
    for (const std::string &output : node.outputs) {
      if (output.empty())
        continue;
      if (graph.initializer(output))
        return mlir::emitError(loc)
               << "output '" << output << "' of node '" << node.name << "' ("
               << node.opType
               << ") has the name of an initializer, which other nodes may "
                  "mean: give one of the two another name";
      if (!defined.insert(output).second)
        return mlir::emitError(loc)
               << "output '" << output << "' of node '" << node.name << "' ("
               << node.opType
               << ") is defined before: give one of the two another name";
    }
  return success();
}
