//===- Records.h - What PyTorch's exporter writes about a graph -*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_RECORDS_H
#define FSDP_DIALECTS_ONNX_IMPORT_RECORDS_H

#include "dialects/Onnx/Import/Graph.h"

namespace fsdp::onnx {
/// One line of the graph signature:
/// `p_h_0_ln_weight: PARAMETER target='h.0.ln.weight' persistent=None`.
struct SignatureLine {
  std::string placeholder, kind, target;
  bool persistent = false;
};
std::vector<SignatureLine> parseSignature(llvm::StringRef text);
/// The lines of the signature's outputs that say what forward changes
/// (`add: BUFFER_MUTATION target='steps'`).
std::vector<SignatureLine> parseMutations(llvm::StringRef text);

/// The call of a record (`%linear : [num_users=1] = call_function[target=
/// torch.ops.aten.linear.default](args = (%x, %p_w, %p_b), kwargs = {})`):
/// target without prefix and overload ("linear"), arguments as text.
struct CallRecord {
  std::string result, target;
  /// How many calls read the result, in the program as it was exported.
  unsigned users = 0;
  std::vector<std::string> args;
  llvm::StringMap<std::string> kwargs;
  bool valid() const { return !target.empty(); }
  /// The name behind `%` if argument `i` is a value, else "".
  llvm::StringRef value(int i) const;
  /// The text of argument `i`, or of the keyword `name`; "" where the call
  /// leaves it to its default.
  llvm::StringRef argument(unsigned i, llvm::StringRef name) const;
  /// All values that it reads, those in lists and by keyword included.
  std::vector<std::string> values() const;
};
CallRecord parseCall(llvm::StringRef text);

/// The names of a record of what a value was folded from:
/// `['table', 'permute']`.
std::vector<std::string> parseFoldedFrom(llvm::StringRef text);

/// The module path of a node: the last module of its name_scopes, or the path
/// in a node name of the legacy exporter
/// (`/model/layers.0/self_attn/q_proj/MatMul`).
std::string scopeOf(const Node &node);
/// The class of that module (`torch.nn.modules.linear.Linear`), or "".
std::string moduleClassOf(const Node &node);
/// Node paths of the legacy exporter leave out containers without a call of
/// their own (a ModuleDict): `/h.0/ln` of `transformer.h.0.ln`. Finds what was
/// left out in front, from the names that parameters kept.
class ContainerPrefixes {
public:
  ContainerPrefixes() = default;
  ContainerPrefixes(const Graph &graph,
                    const std::vector<std::string> &parameterNames);
  std::string resolve(const std::string &scope) const;

private:
  /// Container in front of a first component; "" where that is ambiguous.
  llvm::StringMap<std::string> containers;
};

/// "h.0.ln" and "weight" of "h.0.ln.weight".
std::pair<llvm::StringRef, llvm::StringRef> splitName(llvm::StringRef name);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_RECORDS_H
