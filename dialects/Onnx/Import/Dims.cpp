//===- Dims.cpp - Symbolic dimensions are bound ---------------------------===//
#include "dialects/Onnx/Import/Dims.h"
#include "dialects/Onnx/Glob.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fsdp::onnx;

static std::optional<int64_t> lookup(const ImportOptions &options,
                                     StringRef name) {
  // As on any command line, the last one counts.
  for (const auto &[key, value] : llvm::reverse(options.dims))
    if (key == name)
      return value;
  return std::nullopt;
}

std::optional<SmallVector<int64_t>>
fsdp::onnx::statedShape(const ValueRecord &value,
                        const ImportOptions &options) {
  if (!value.shape)
    return std::nullopt;
  SmallVector<int64_t> shape;
  for (const Dim &dim : *value.shape) {
    std::optional<int64_t> extent =
        dim.value ? dim.value : lookup(options, dim.name);
    if (!extent || *extent < 0)
      return std::nullopt;
    shape.push_back(*extent);
  }
  return shape;
}

static LogicalResult checkOptions(const Graph &graph,
                                  const ImportOptions &options, Location loc) {
  llvm::StringSet<> known;
  std::string names;
  for (const ValueRecord &input : graph.inputs) {
    if (!input.shape)
      continue;
    for (auto [i, dim] : llvm::enumerate(*input.shape)) {
      std::string place = input.name + ":" + std::to_string(i);
      known.insert(place);
      std::string shown = dim.name.empty() ? place : dim.name;
      if (!dim.value && known.insert(shown).second)
        names += (names.empty() ? "'" : ", '") + shown + "'";
    }
  }
  for (const auto &[name, extent] : options.dims) {
    if (!known.contains(name))
      return mlir::emitError(loc)
             << "--dim '" << name << "' names no dimension of an input: "
             << (names.empty() ? "all are static" : "there are " + names);
    if (extent <= 0)
      return mlir::emitError(loc) << "--dim '" << name << "' is " << extent
                                  << ", expected a positive extent";
  }
  std::vector<std::string> inputs;
  for (const ValueRecord &input : graph.inputs)
    inputs.push_back(input.name);
  for (const auto &[name, fill] : options.binds)
    if (!llvm::is_contained(inputs, name))
      return mlir::emitError(loc)
             << "--bind '" << name << "' names no input of the model; nearest: "
             << fsdp::nearestNames(name, inputs);
  return success();
}

namespace {
/// One symbolic dimension that no option binds.
struct Unbound {
  std::string where, option;
};
} // namespace

/// One error for all of them.
static LogicalResult refuseUnbound(ArrayRef<Unbound> unbound, Location loc) {
  if (unbound.empty())
    return success();
  if (unbound.size() == 1)
    return mlir::emitError(loc)
           << unbound.front().where << " is symbolic: bind it with --dim "
           << unbound.front().option << "=N";
  auto diagnostic = mlir::emitError(loc)
                    << unbound.size()
                    << " dimensions of the inputs are symbolic: bind them with";
  for (const Unbound &dim : unbound)
    diagnostic << " --dim " << dim.option << "=N";
  return diagnostic;
}

/// The extent that the file or an option gives to a dimension; nothing where
/// neither does. Fails where they disagree.
static FailureOr<std::optional<int64_t>> extentOf(const Dim &dim,
                                                  const std::string &place,
                                                  const ImportOptions &options,
                                                  Location loc) {
  std::optional<int64_t> byPlace = lookup(options, place);
  if (dim.value && byPlace && *byPlace != *dim.value)
    return mlir::emitError(loc)
           << "--dim '" << place << "' is " << *byPlace
           << ", but the dimension is " << *dim.value << " in the file";
  if (dim.value)
    return dim.value;
  std::optional<int64_t> byName =
      dim.name.empty() ? std::nullopt : lookup(options, dim.name);
  if (byPlace && byName && *byPlace != *byName)
    return mlir::emitError(loc)
           << "--dim '" << place << "' is " << *byPlace << ", but --dim '"
           << dim.name << "', the name of that dimension, is " << *byName;
  return byPlace ? byPlace : byName;
}

FailureOr<std::vector<SmallVector<int64_t>>>
fsdp::onnx::bindDims(const Graph &graph, const ImportOptions &options,
                     Location loc) {
  if (failed(checkOptions(graph, options, loc)))
    return failure();
  std::vector<SmallVector<int64_t>> shapes;
  SmallVector<Unbound> unbound;
  llvm::StringSet<> named;
  for (const ValueRecord &input : graph.inputs) {
    if (!input.shape)
      return mlir::emitError(loc)
             << "input '" << input.name
             << "' has no shape in the file, expected a tensor of known rank";
    SmallVector<int64_t> &shape = shapes.emplace_back();
    for (auto [i, dim] : llvm::enumerate(*input.shape)) {
      std::string place = input.name + ":" + std::to_string(i);
      FailureOr<std::optional<int64_t>> extent =
          extentOf(dim, place, options, loc);
      if (failed(extent))
        return failure();
      std::string option = dim.name.empty() ? place : dim.name;
      if (!*extent && named.insert(option).second)
        unbound.push_back({"dimension " + std::to_string(i) + " of input '" +
                               input.name + "'" +
                               (dim.name.empty() ? "" : " ('" + option + "')"),
                           option});
      shape.push_back(extent->value_or(1));
      if (shape.back() < 0)
        return mlir::emitError(loc) << "input '" << input.name
                                    << "' has an extent of " << shape.back();
    }
    if (!countElements(shape))
      return mlir::emitError(loc)
             << "input '" << input.name << "' has an impossible shape";
  }
  if (failed(refuseUnbound(unbound, loc)))
    return failure();
  return shapes;
}
