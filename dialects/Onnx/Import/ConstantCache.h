//===- ConstantCache.h - Large constants computed once ----------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_CONSTANTCACHE_H
#define FSDP_DIALECTS_ONNX_IMPORT_CONSTANTCACHE_H

#include "dialects/Onnx/Evaluate.h"

#include <map>
#include <memory>

namespace fsdp::onnx {
using SharedTensor = std::shared_ptr<const Tensor>;

/// What a constant is computed from: an operation, its attributes, and its
/// operands; small operands by what they hold, large ones by which they are.
class ConstantKey {
public:
  explicit ConstantKey(llvm::StringRef operation) : operation(operation) {}
  ConstantKey &add(int64_t number);
  ConstantKey &add(llvm::ArrayRef<int64_t> numbers);
  ConstantKey &add(mlir::Type type);
  ConstantKey &add(const SharedTensor &operand);
  bool operator<(const ConstantKey &other) const {
    return std::tie(operation, words) < std::tie(other.operation, other.words);
  }

private:
  friend class ConstantCache;
  std::string operation;
  std::vector<int64_t> words;
  std::vector<SharedTensor> large; ///< kept, so that no other takes their place
};

/// All layers of a model compute the same mask, of S x S elements: it is
/// evaluated, and made an attribute, for the first of them only. Small results
/// are not kept.
class ConstantCache {
public:
  /// The result kept for `key`, or null.
  SharedTensor find(const ConstantKey &key) const;
  void insert(const ConstantKey &key, const SharedTensor &result);
  mlir::DenseElementsAttr attributeOf(const SharedTensor &tensor);
  /// Whether a row of `mask`, an attribute of floats, holds nothing above
  /// `lowest`.
  bool masksARow(mlir::DenseElementsAttr mask, double lowest = -INFINITY);

private:
  std::map<ConstantKey, SharedTensor> results;
  std::map<ConstantKey, mlir::DenseElementsAttr> attributes;
  std::map<std::pair<const void *, double>, bool> masks;
  int64_t elements = 0; ///< held by `results`
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_CONSTANTCACHE_H
