//===- Graph.h - An ONNX model as plain structures --------------*- C++ -*-===//
//
// What the importer needs of a ModelProto, checked, with local functions
// inlined. Tensor data stay in the mapped file.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_GRAPH_H
#define FSDP_DIALECTS_ONNX_IMPORT_GRAPH_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/LogicalResult.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fsdp::onnx {
/// A tensor of the file: where its bytes are.
struct TensorRecord {
  std::string name;
  int32_t dataType = 0;
  llvm::SmallVector<int64_t> dims;
  /// Raw little-endian data in C order: in the file, at `offset`, or decoded
  /// into `owned` where the file holds it in another form.
  std::optional<int64_t> offset;
  int64_t bytes = 0;
  std::string owned;
  /// External data: path relative to the model's folder, as in the file.
  bool external = false;
  std::string location;
};

struct NodeAttribute {
  enum class Kind { Int, Float, String, Ints, Floats, Strings, Tensor, Other };
  Kind kind = Kind::Other;
  int64_t i = 0;
  double f = 0;
  std::string s;
  std::vector<int64_t> ints;
  std::vector<double> floats;
  std::vector<std::string> strings;
  std::shared_ptr<TensorRecord> tensor;
};

struct Dim {
  std::optional<int64_t> value;
  std::string name;
};

struct ValueRecord {
  std::string name;
  int32_t dataType = 0;
  /// Absent where the file says nothing of the shape.
  std::optional<std::vector<Dim>> shape;
  /// For an initializer that PyTorch's exporter computed ahead: the values it
  /// was computed from.
  std::vector<std::string> foldedFrom;
};

struct Body;

/// Nodes of the graph that a control node holds: those at [begin, end), which
/// are imported as often as it says.
struct Region {
  size_t begin = 0, end = 0;
  std::vector<std::string> inputs;
  std::vector<ValueRecord> outputs;
};

struct Node {
  std::string opType, domain, name;
  int64_t version = 0;
  std::vector<std::string> inputs, outputs;
  llvm::StringMap<NodeAttribute> attributes;
  /// The graphs of its attributes, as in the file; a node of `Graph` has
  /// regions instead.
  std::vector<Body> bodies;
  /// The branches of an If (then, else), the body of a Loop.
  std::vector<Region> regions;
  /// In a region of another node: its record's names are of that body alone.
  bool inBody = false;
  /// Metadata of PyTorch's exporter: the call the node came from, the modules
  /// around it and their classes.
  std::string fxNode, nameScopes, classes;
};

/// A graph that is an attribute of a node (`then_branch`). It reads values of
/// the graphs around it by their names.
struct Body {
  std::string attribute;
  std::vector<std::string> inputs;
  std::vector<ValueRecord> outputs, values;
  std::vector<TensorRecord> initializers;
  std::vector<Node> nodes;
};

struct Graph {
  std::string givenPath; ///< as the user named the file, for messages
  std::string fileName, absolutePath, directory, producer;
  std::unique_ptr<llvm::MemoryBuffer> file;
  std::vector<ValueRecord> inputs, outputs;
  llvm::StringMap<ValueRecord> values;
  std::vector<TensorRecord> initializers;
  llvm::StringMap<size_t> initializerIndex;
  std::vector<Node> nodes;
  llvm::StringMap<std::string> metadata;
  /// What the standard's training information updates.
  llvm::StringSet<> updated;

  const TensorRecord *initializer(llvm::StringRef name) const {
    auto it = initializerIndex.find(name);
    return it == initializerIndex.end() ? nullptr : &initializers[it->second];
  }
};

/// Reads, parses and checks the file; null after one error at `loc`.
std::unique_ptr<Graph> readGraph(llvm::StringRef path, mlir::Location loc);

/// Every name means one value: fails, with one error at `loc`, where two nodes,
/// or a node and an input or initializer, define the same.
llvm::LogicalResult checkNames(const Graph &graph, mlir::Location loc);

/// Number of elements of `dims`, or nothing when an extent is negative or the
/// tensor larger than any machine's memory.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> dims);

/// Places of the raw data of the graph's initializers in a serialized model,
/// in their order: offset and length in bytes, or nothing for one whose data
/// are not stored as raw or packed f32 bytes. Empty when the file is corrupt.
struct RawPlace {
  std::optional<int64_t> offset;
  int64_t bytes = 0;
};
std::vector<RawPlace> findInitializerData(llvm::StringRef model);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_GRAPH_H
