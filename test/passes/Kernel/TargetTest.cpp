//===- TargetTest.cpp - Kernels for other machines, the contract ----------===//
#include "passes/Kernel/Compile.h"
#include "passes/Kernel/Gpu.h"
#include "passes/Kernel/Passes.h"
#include "test/passes/Kernel/GpuEmulator.h"
#include "test/passes/Kernel/KernelExecutor.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
class Target : public ::testing::TestWithParam<const char *> {
protected:
  /// Compiles every kernel of a function for the target.
  void expectCompiles(const std::string &text) {
    auto module = parseSourceString<ModuleOp>(text, context.get());
    ASSERT_TRUE(bool(module)) << text;
    PassManager manager(context.get());
    manager.addPass(createKernelFormGroups());
    ASSERT_TRUE(succeeded(manager.run(*module)));
    FailureOr<KernelTarget> target = getKernelTarget(GetParam());
    ASSERT_TRUE(succeeded(target));
    int compiled = 0;
    module->walk([&](train::KernelOp kernel) {
      OwningOpRef<ModuleOp> dest = ModuleOp::create(kernel.getLoc());
      SmallVector<char, 0> object;
      EXPECT_TRUE(succeeded(emitKernel(kernel, *dest, "k")));
      EXPECT_TRUE(succeeded(compileKernel(*dest, *target, object)));
      ++compiled;
    });
    EXPECT_GT(compiled, 0);
  }

  std::unique_ptr<MLIRContext> context = createContext();
};

/// Tests that no function is called on machines that lack instructions for
/// half precision, gathers or conversions.
TEST_P(Target, NeedsNoLibrary) {
  for (std::string dtype : {"f32", "f64", "bf16", "f16"}) {
    std::string t = "tensor<64x99x" + dtype + ">";
    std::string unary = " : " + t + " -> " + t + "\n";
    std::string text =
        "func.func @f(%x: " + t + ") -> " + t + " {\n%0 = onnx.exp %x" + unary;
    int n = 0;
    for (std::string op : {"log", "sqrt", "sin", "cos", "tanh", "sigmoid",
                           "erf", "gelu", "abs", "softmax"}) {
      std::string from = std::to_string(n), to = std::to_string(++n);
      text += "%" + to + " = onnx." + op + " %" + from + unary;
    }
    std::string last = std::to_string(n);
    text += "%p = onnx.pow %x, %" + last + " : " + t + ", " + t + " -> " + t +
            "\n%i = onnx.cast %p : " + t +
            " -> tensor<64x99xi64>\n%b = onnx.cast %i : tensor<64x99xi64> -> " +
            t + "\nreturn %b : " + t + "\n}";
    expectCompiles(text);
  }
}

TEST_P(Target, CopiesAndFillsStayLoops) {
  expectCompiles(R"(
    func.func @f(%x: tensor<64x512xf32>) -> tensor<70x1024xf32> {
      %t = onnx.concat %x, %x axis 1
        : tensor<64x512xf32>, tensor<64x512xf32> -> tensor<64x1024xf32>
      %p = onnx.pad %t at [3, 0] by [1, 1] value 0.0
        : tensor<64x1024xf32> -> tensor<70x1024xf32>
      return %p : tensor<70x1024xf32>
    })");
}

INSTANTIATE_TEST_SUITE_P(Cpus, Target,
                         ::testing::Values("x86-64-v3", "skylake-avx512",
                                           "sapphirerapids"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

LogicalResult compileForHost(ModuleOp module) {
  FailureOr<KernelTarget> target = getKernelTarget("native");
  SmallVector<char, 0> object;
  return compileKernel(module, *target, object);
}

LogicalResult compileForGpu(ModuleOp module) {
  std::string ptx;
  return compileToPtx(module, "sm_90", ptx);
}

/// The error with which `compile` refuses a kernel in the LLVM dialect; "" when
/// it does not.
std::string
refusal(const std::string &text,
        llvm::function_ref<LogicalResult(ModuleOp)> compile = compileForHost) {
  auto context = createContext();
  auto module = parseSourceString<ModuleOp>(text, context.get());
  std::string message;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
    message = diagnostic.str();
    return success();
  });
  EXPECT_EQ(failed(compile(*module)), !message.empty());
  return message;
}

/// Tests that a kernel that calls libm is refused and the function named.
TEST(KernelContract, RefusesCalls) {
  EXPECT_NE(refusal(R"(
    llvm.func @expf(f32) -> f32
    llvm.func @k(%x: f32) -> f32 {
      %y = llvm.call @expf(%x) : (f32) -> f32
      llvm.return %y : f32
    })")
                .find("'expf'"),
            std::string::npos);
}

/// A kernel with a tile of `count` floats that no optimiser can remove.
std::string withTile(const std::string &count) {
  return R"(
    llvm.func @k7(%x: f32, %n: i64) -> f32 {
      %c = )" +
         count + R"(
      %t = llvm.alloca %c x f32 : (i64) -> !llvm.ptr
      %p = llvm.getelementptr %t[%n] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      llvm.store volatile %x, %t : f32, !llvm.ptr
      %y = llvm.load volatile %p : !llvm.ptr -> f32
      llvm.return %y : f32
    })";
}

std::string floats(int64_t count) {
  return "llvm.mlir.constant(" + std::to_string(count) + " : i64) : i64";
}

/// Tests that a kernel whose frame is above 64 KiB is refused and named, and
/// one below is not.
TEST(KernelContract, RefusesLargeStackTiles) {
  EXPECT_EQ(refusal(withTile(floats(15 * 1024))), "");
  std::string message = refusal(withTile(floats(17 * 1024)));
  EXPECT_EQ(message.find("the kernel 'k7' takes 69"), 0u) << message;
  EXPECT_NE(message.find("bytes of stack, expected at most 65536"),
            std::string::npos)
      << message;
}

TEST(KernelContract, RefusesStackOfUnknownSize) {
  std::string message = refusal(withTile("llvm.add %n, %n : i64"));
  EXPECT_EQ(message.find("the kernel 'k7' takes stack of a size known only"),
            0u)
      << message;
}

/// A kernel for a GPU with two tiles in shared memory, of `count` floats
/// and 64.
std::string withSharedTiles(int64_t count) {
  return R"(
    llvm.mlir.global private @tile0() {addr_space = 3 : i32, alignment = 64 : i64}
      : !llvm.array<)" +
         std::to_string(count) + R"( x f32>
    llvm.mlir.global private @tile1() {addr_space = 3 : i32, alignment = 64 : i64}
      : !llvm.array<64 x f32>
    llvm.func @k7_body(%x: f32) {
      %a = llvm.mlir.addressof @tile0 : !llvm.ptr<3>
      %b = llvm.mlir.addressof @tile1 : !llvm.ptr<3>
      llvm.store volatile %x, %a : f32, !llvm.ptr<3>
      llvm.store volatile %x, %b : f32, !llvm.ptr<3>
      llvm.return
    }
    llvm.func @k7(%x: f32) attributes {nvvm.kernel} {
      llvm.call @k7_body(%x) : (f32) -> ()
      llvm.return
    })";
}

/// Tests that a kernel whose tiles take more than 48 KiB of shared memory
/// together is refused and named before ptxas sees it, and one of 48 is not.
TEST(KernelContract, RefusesLargeSharedTiles) {
  EXPECT_EQ(refusal(withSharedTiles(12 * 1024 - 64), compileForGpu), "");
  EXPECT_EQ(refusal(withSharedTiles(12 * 1024 - 63), compileForGpu),
            "the kernel 'k7' takes 49216 bytes of shared memory a block, "
            "expected at most 49152; make its tiles smaller or fewer");
}

/// Tests that the emulator finds a barrier that is missing: here one row's
/// gradient is read at the label before all threads have stored theirs.
TEST(GpuEmulator, FindsMissingBarriers) {
  if (!kCanEmulate)
    GTEST_SKIP() << "no emulator under AddressSanitizer";
  auto context = createContext();
  auto module = parseSourceString<ModuleOp>(R"(
    func.func @f(%x: tensor<1x100xf32>, %t: tensor<1xi64>, %e: tensor<1xf32>,
                 %s: tensor<f32>) -> tensor<1x100xf32> {
      %d = train.cross_entropy_grad %x, %t, %e, %s ignore -100
        : tensor<1x100xf32>, tensor<1xi64>, tensor<1xf32>, tensor<f32>
      return %d : tensor<1x100xf32>
    })",
                                            context.get());
  ASSERT_TRUE(bool(module));
  auto func = *module->getOps<func::FuncOp>().begin();
  std::vector<Tensor> inputs;
  for (Type type : func.getArgumentTypes())
    inputs.emplace_back(cast<RankedTensorType>(type));
  inputs[1].set(0, 70);
  inputs[3].set(0, 1);
  for (bool drops : {false, true}) {
    KernelExecutor executor;
    executor.checksGpu = true;
    executor.dropsBarriers = drops;
    EXPECT_EQ(executor.run(func, inputs).has_value(), !drops);
    EXPECT_EQ(StringRef(executor.message()).contains("in another order"), drops)
        << executor.message();
  }
}
} // namespace
