//===- Tensor.h - Dense tensors in memory -----------------------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_TENSOR_H
#define FSDP_TEST_PASSES_KERNEL_TENSOR_H

#include "mlir/IR/BuiltinTypes.h"

#include <memory>
#include <vector>

namespace fsdp::test {
/// A dense tensor in memory, 64-byte aligned, as kernels want it.
class Tensor {
public:
  Tensor() = default;
  explicit Tensor(mlir::RankedTensorType type);
  Tensor(mlir::RankedTensorType type, llvm::ArrayRef<double> values);

  mlir::RankedTensorType getType() const { return type; }
  int64_t size() const { return type.getNumElements(); }
  size_t bytes() const;
  void *data() const { return storage.get(); }
  Tensor copy() const;
  /// The same bytes under another type.
  Tensor view(mlir::RankedTensorType other) const;

  /// Elements of any dtype through double (exact but for large i64).
  double get(int64_t i) const;
  void set(int64_t i, double value);
  std::vector<double> values() const;

private:
  mlir::RankedTensorType type;
  std::shared_ptr<char> storage;
};
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_TENSOR_H
