//===- WatchTest.cpp - Accesses that a kernel must not make ---------------===//
#include "test/passes/Kernel/Watch.h"
#include "passes/Kernel/Passes.h"
#include "test/passes/Kernel/KernelTestBase.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gmock/gmock.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;
using ::testing::HasSubstr;

namespace {
/// A kernel of 16 sums, and arguments for it, which may be others than it
/// expects.
class WatchTest : public ::testing::Test {
protected:
  void SetUp() override {
    module = parseSourceString<ModuleOp>(R"(
      func.func @f(%a: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<16xf32> {
        %c = onnx.add %a, %b : tensor<16xf32>, tensor<16xf32> -> tensor<16xf32>
        return %c : tensor<16xf32>
      })",
                                         context.get());
    ASSERT_TRUE(bool(module));
    PassManager manager(context.get());
    manager.addPass(createKernelFormGroups());
    ASSERT_TRUE(succeeded(manager.run(*module)));
    auto func = *module->getOps<func::FuncOp>().begin();
    std::string problem;
    kernel = WatchedKernel::compile(*func.getOps<train::KernelOp>().begin(),
                                    problem);
    ASSERT_TRUE(bool(kernel)) << problem;
  }

  Tensor tensor(int64_t size) {
    return Tensor(
        RankedTensorType::get({size}, Float32Type::get(context.get())));
  }

  std::unique_ptr<MLIRContext> context = createContext();
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<WatchedKernel> kernel;
};
} // namespace

TEST_F(WatchTest, AllIsWellWithItsOwnArguments) {
  EXPECT_EQ(kernel->run({tensor(16), tensor(16)}, {tensor(16)}), "");
}

/// Tests that a buffer that is too short is found, read or written; more of it
/// was allocated.
TEST_F(WatchTest, FindsAccessesPastTheEnd) {
  EXPECT_THAT(kernel->run({tensor(16), tensor(15)}, {tensor(16)}),
              HasSubstr("loads 4 bytes 0 past the end of the 60"));
  EXPECT_THAT(kernel->run({tensor(16), tensor(16)}, {tensor(15)}),
              HasSubstr("stores 4 bytes 0 past the end of the 60"));
}

/// Tests that a result is not read before it is written, nor an operand
/// written.
TEST_F(WatchTest, FindsAccessesInTheWrongDirection) {
  EXPECT_THAT(kernel->run({tensor(16)}, {tensor(16), tensor(16)}),
              HasSubstr("which it has not written, as a result or scratch"));
  EXPECT_THAT(kernel->run({tensor(16), tensor(16), tensor(16)}, {}),
              HasSubstr("which were announced as read"));
}
