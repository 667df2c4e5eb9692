//===- Renames.cpp - Names that the file lost -----------------------------===//
#include "dialects/Onnx/Glob.h"
#include "dialects/Onnx/Import/Parameters.h"

using namespace mlir;
using namespace fsdp::onnx;

LogicalResult fsdp::onnx::applyRenames(const Graph &graph,
                                       const ImportOptions &options,
                                       Location loc, ParameterTable &table) {
  std::vector<std::string> names;
  for (const Parameter &parameter : table.parameters) {
    names.push_back(parameter.name);
    llvm::append_range(names, parameter.aliases);
  }
  for (const auto &[from, to] : options.renames) {
    if (hasSignature(graph))
      return mlir::emitError(loc)
             << "--rename '" << from
             << "' is for files without names: this one has a graph signature "
                "with PyTorch's own, leave the option out";
    // What folding left was given its name as it was found.
    if (graph.initializer(from) && table.find(to) && !table.find(from))
      continue;
    std::optional<size_t> index = table.find(from);
    if (!index)
      return mlir::emitError(loc)
             << "--rename '" << from
             << "' names no parameter of the file; nearest: "
             << fsdp::nearestNames(from, names);
    if (table.find(to))
      return mlir::emitError(loc)
             << "--rename " << from << "=" << to << ": there is a parameter '"
             << to << "' already, expected a new name";
    Parameter &parameter = table.parameters[*index];
    if (parameter.name == from)
      parameter.name = to;
    for (std::string &alias : parameter.aliases)
      if (alias == from)
        alias = to;
  }
  return success();
}
