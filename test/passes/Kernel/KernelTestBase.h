//===- KernelTestBase.h - Runs a few ops and compares -----------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_KERNELTESTBASE_H
#define FSDP_TEST_PASSES_KERNEL_KERNELTESTBASE_H

#include "test/passes/Kernel/KernelExecutor.h"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace fsdp::test {
/// Tests that write a function as text and give its arguments as doubles.
class KernelTest : public ::testing::Test {
protected:
  KernelTest() { executor.checksGpu = true; }

  using Values = std::vector<double>;

  /// "tensor<2x3xf32>".
  static std::string type(llvm::ArrayRef<int64_t> shape, const char *dtype);

  /// Values that f32 holds exactly, uniform in [low, high).
  Values random(int64_t count, double low, double high);

  /// The same, that bf16 holds exactly.
  Values halves(int64_t count, double low, double high);

  /// Results of `func @f<signature> { <body> return <returned> }`; an error of
  /// the executor is a failure of the test, and zeros.
  std::vector<Tensor> run(const std::string &signature, const std::string &body,
                          const std::string &returned,
                          const std::vector<Values> &inputs);

  /// Status of the one kernel of such a function.
  int32_t status(const std::string &signature, const std::string &body,
                 const std::string &returned,
                 const std::vector<Values> &inputs);

  /// Every element within `tolerance` times the largest wanted magnitude.
  static void expectNear(const Tensor &result, const Values &wanted,
                         double tolerance);

  /// Every element what bf16 makes of the wanted value by one rounding, which
  /// was computed to `tolerance` times the largest wanted magnitude.
  static void expectRounded(const Tensor &result, const Values &wanted,
                            double tolerance);

  std::unique_ptr<mlir::MLIRContext> context = createContext();
  KernelExecutor executor;

private:
  mlir::func::FuncOp parse(const std::string &signature,
                           const std::string &body, const std::string &returned,
                           const std::vector<Values> &values,
                           std::vector<Tensor> &inputs);

  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::mt19937_64 engine{5};
};

/// Tests over matrices of several shapes, all in one dtype.
struct RowShape {
  int64_t rows, width;
};

class RowsTest : public KernelTest,
                 public ::testing::WithParamInterface<RowShape> {
protected:
  explicit RowsTest(const char *dtype)
      : matrix(type({rows, width}, dtype)), row(type({width}, dtype)) {}

  int64_t rows = GetParam().rows, width = GetParam().width;
  std::string matrix, row;
  std::string column = type({rows}, "f32"); ///< statistics
};
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_KERNELTESTBASE_H
