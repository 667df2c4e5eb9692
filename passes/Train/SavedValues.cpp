//===- SavedValues.cpp - What to keep from forward to backward ------------===//
//
// A network with two nodes a value: the edge between them costs the value's
// bytes, the edges from operands to results cost nothing and cannot be cut. A
// source hangs on the beginning, a needed value on the end; the edges of a
// minimum cut are the values to keep.
//
//===----------------------------------------------------------------------===//
#include "passes/Train/SavedValues.h"

#include "mlir/IR/Operation.h"

#include <limits>

using namespace mlir;
using namespace fsdp;

namespace {
constexpr int64_t kUncuttable = std::numeric_limits<int64_t>::max() / 4;

/// A flow network; edges 2i and 2i + 1 are each other's reverse.
class Network {
public:
  static constexpr size_t kBegin = 0, kEnd = 1;

  size_t addNode() {
    edgesOf.emplace_back();
    return edgesOf.size() - 1;
  }
  void addEdge(size_t from, size_t to, int64_t capacity) {
    edgesOf[from].push_back(edges.size());
    edges.push_back({to, capacity});
    edgesOf[to].push_back(edges.size());
    edges.push_back({from, 0});
  }
  /// Pushes as much flow from begin to end as there can be.
  void saturate() {
    while (augment())
      ;
  }
  /// For each node, whether flow could still go from it to the end.
  SmallVector<bool> findReaching() const {
    SmallVector<bool> reaches(edgesOf.size(), false);
    SmallVector<size_t> pending = {kEnd};
    reaches[kEnd] = true;
    while (!pending.empty())
      for (size_t edge : edgesOf[pending.pop_back_val()])
        if (size_t from = edges[edge].to;
            edges[edge ^ 1].capacity > 0 && !reaches[from]) {
          reaches[from] = true;
          pending.push_back(from);
        }
    return reaches;
  }

private:
  struct Edge {
    size_t to;
    int64_t capacity; ///< what is left of it
  };

  /// One shortest path more (Edmonds and Karp).
  bool augment() {
    SmallVector<int64_t> via(edgesOf.size(), -1); // the edge into each node
    SmallVector<size_t> queue = {kBegin};
    for (size_t i = 0; i < queue.size() && via[kEnd] < 0; ++i)
      for (size_t edge : edgesOf[queue[i]])
        if (size_t to = edges[edge].to;
            edges[edge].capacity > 0 && via[to] < 0 && to != kBegin) {
          via[to] = edge;
          queue.push_back(to);
        }
    if (via[kEnd] < 0)
      return false;
    int64_t flow = kUncuttable;
    for (size_t node = kEnd; node != kBegin; node = edges[via[node] ^ 1].to)
      flow = std::min(flow, edges[via[node]].capacity);
    for (size_t node = kEnd; node != kBegin; node = edges[via[node] ^ 1].to) {
      edges[via[node]].capacity -= flow;
      edges[via[node] ^ 1].capacity += flow;
    }
    return true;
  }

  std::vector<SmallVector<size_t, 4>> edgesOf{2};
  std::vector<Edge> edges;
};

class CutBuilder {
public:
  CutBuilder(const SavedCosts &costs) : costs(costs) {}

  DenseSet<Value> run(ValueRange needed) {
    for (Value value : needed)
      network.addEdge(visit(value) + 1, Network::kEnd, kUncuttable);
    network.saturate();
    SmallVector<bool> reaches = network.findReaching();
    DenseSet<Value> saved;
    for (auto [value, node] : nodes)
      if (!reaches[node] && reaches[node + 1])
        saved.insert(value);
    return saved;
  }

private:
  /// The first of the two nodes of `value`.
  size_t visit(Value value) {
    auto it = nodes.find(value);
    if (it != nodes.end())
      return it->second;
    size_t node = network.addNode();
    network.addNode();
    nodes[value] = node;
    network.addEdge(node, node + 1, costs.bytes(value));
    if (costs.isSource(value)) {
      network.addEdge(Network::kBegin, node, kUncuttable);
      return node;
    }
    for (Value operand : value.getDefiningOp()->getOperands())
      if (!costs.isFree(operand))
        network.addEdge(visit(operand) + 1, node, kUncuttable);
    return node;
  }

  const SavedCosts &costs;
  Network network;
  DenseMap<Value, size_t> nodes;
};
} // namespace

DenseSet<Value> fsdp::cheapestSaved(ValueRange needed,
                                    const SavedCosts &costs) {
  return CutBuilder(costs).run(needed);
}
