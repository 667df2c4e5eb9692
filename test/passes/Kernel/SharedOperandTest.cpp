//===- SharedOperandTest.cpp - One buffer for two operands ----------------===//
//
// Tests that every kind of kernel gives the bits that it gives with separate
// buffers when two of its operands are one buffer, as two arguments (views of
// one value) or as one (a value in two places), and its results lie wherever
// the planner may put them: each operand in turn is one that nothing else
// needs.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/InPlace.h"
#include "passes/Kernel/Passes.h"
#include "test/passes/Kernel/KernelTestBase.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <cstring>
#include <numeric>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
struct Case {
  const char *name;
  std::string arguments; ///< "%x: T, %y: T", where T and the like are `types`
  std::string body;      ///< its last line defines `results`
  std::string results;   ///< "%a : T"
  std::vector<std::pair<std::string, std::string>> types;
  int pairs; ///< of operands of one type, over all kernels
};

std::ostream &operator<<(std::ostream &os, const Case &c) {
  return os << c.name;
}

std::string substitute(std::string text, const Case &c) {
  for (auto &[name, type] : c.types)
    for (size_t at = 0; (at = text.find("$" + name, at)) != std::string::npos;)
      text.replace(at, name.size() + 1, type);
  return text;
}

class SharedOperand : public KernelTest,
                      public ::testing::WithParamInterface<Case> {
protected:
  SharedOperand() { executor.checksGpu = false; }

  OwningOpRef<ModuleOp> parse();
  Tensor randomOf(Type type);
  std::vector<Tensor> resultsOf(train::KernelOp kernel);
  std::vector<Tensor> launch(train::KernelOp kernel, ArrayRef<Tensor> ins);
  bool launchInPlace(train::KernelOp kernel, ArrayRef<Tensor> values,
                     ArrayRef<int64_t> buffers, ArrayRef<Tensor> wanted);
  void checkPair(train::KernelOp kernel, unsigned a, unsigned b);
};

OwningOpRef<ModuleOp> SharedOperand::parse() {
  const Case &c = GetParam();
  std::string types = c.results.substr(c.results.find(':') + 1);
  std::string text =
      substitute("func.func @f(" + c.arguments + ") -> (" + types + ") {\n" +
                     c.body + "\nreturn " + c.results + "\n}",
                 c);
  auto module = parseSourceString<ModuleOp>(text, context.get());
  EXPECT_TRUE(bool(module)) << text;
  PassManager manager(context.get());
  manager.addPass(createKernelFormGroups({/*libraryBf16=*/false}));
  if (module)
    EXPECT_TRUE(succeeded(manager.run(*module)));
  return module;
}

/// Positive numbers, or indices that every table of these tests has.
Tensor SharedOperand::randomOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  Values values = random(tensor.getNumElements(), 0.25, 1.75);
  if (!isa<FloatType>(tensor.getElementType()))
    for (double &value : values)
      value = value > 1;
  return Tensor(tensor, values);
}

std::vector<Tensor> SharedOperand::resultsOf(train::KernelOp kernel) {
  std::vector<Tensor> outs;
  for (Type type : kernel.getOutputs().getTypes()) {
    outs.emplace_back(cast<RankedTensorType>(type));
    std::memset(outs.back().data(), 0x5a, outs.back().bytes());
  }
  return outs;
}

/// The results for separate copies of `ins`.
std::vector<Tensor> SharedOperand::launch(train::KernelOp kernel,
                                          ArrayRef<Tensor> ins) {
  std::vector<Tensor> own, outs = resultsOf(kernel);
  for (const Tensor &in : ins)
    own.push_back(in.copy());
  EXPECT_EQ(executor.launch(kernel, own, outs), 0) << executor.message();
  return outs;
}

/// Whether the results are `wanted` where operand i has the values `values[i]`
/// in buffer `buffers[i]`, whichever operand is one that dies.
bool SharedOperand::launchInPlace(train::KernelOp kernel,
                                  ArrayRef<Tensor> values,
                                  ArrayRef<int64_t> buffers,
                                  ArrayRef<Tensor> wanted) {
  SmallVector<SmallVector<unsigned>> table = inPlaceOperands(kernel);
  for (unsigned dying = 0; dying <= values.size(); ++dying) { // the last: all
    std::vector<Tensor> memory(values.size()), ins, outs = resultsOf(kernel);
    for (auto [i, buffer] : llvm::enumerate(buffers)) {
      if (!memory[buffer].data())
        memory[buffer] = values[i].copy();
      ins.push_back(memory[buffer].view(values[i].getType()));
    }
    SmallVector<int64_t> taken;
    for (auto [out, allowed] : llvm::zip_equal(outs, table)) {
      auto operand = chooseInPlace(allowed, buffers, taken, [&](unsigned i) {
        return (dying == values.size() || buffers[i] == buffers[dying]) &&
               ins[i].bytes() == out.bytes();
      });
      if (!operand)
        continue;
      taken.push_back(buffers[*operand]);
      out = ins[*operand].view(out.getType());
    }
    EXPECT_EQ(executor.launch(kernel, ins, outs), 0) << executor.message();
    for (auto [out, other] : llvm::zip_equal(outs, wanted))
      if (std::memcmp(out.data(), other.data(), out.bytes()) != 0)
        return false;
  }
  return true;
}

/// `kernel` with its operand `b` read from where `a` is.
train::KernelOp merge(train::KernelOp kernel, unsigned a, unsigned b) {
  OpBuilder builder(kernel);
  auto merged = cast<train::KernelOp>(builder.clone(*kernel));
  Block &body = merged.getBody().front();
  body.getArgument(b).replaceAllUsesWith(body.getArgument(a));
  body.eraseArgument(b);
  merged->eraseOperand(b);
  return merged;
}

void SharedOperand::checkPair(train::KernelOp kernel, unsigned a, unsigned b) {
  std::vector<Tensor> values;
  for (Type type : kernel.getInputs().getTypes())
    values.push_back(randomOf(type));
  values[b] = values[a];
  SmallVector<int64_t> buffers(values.size());
  std::iota(buffers.begin(), buffers.end(), 0);
  buffers[b] = a;
  std::vector<Tensor> wanted = launch(kernel, values);
  EXPECT_TRUE(launchInPlace(kernel, values, buffers, wanted))
      << "two arguments in one buffer give other bits";

  train::KernelOp merged = merge(kernel, a, b);
  values.erase(values.begin() + b);
  buffers.pop_back();
  std::iota(buffers.begin(), buffers.end(), 0);
  EXPECT_TRUE(launchInPlace(merged, values, buffers, launch(merged, values)))
      << "one argument in two places gives other bits";
  merged.erase();
}

TEST_P(SharedOperand, GivesTheBitsOfSeparateBuffers) {
  auto module = parse();
  ASSERT_TRUE(bool(module));
  int pairs = 0;
  SmallVector<train::KernelOp> kernels;
  module->walk([&](train::KernelOp kernel) { kernels.push_back(kernel); });
  for (train::KernelOp kernel : kernels) {
    auto types = kernel.getInputs().getTypes();
    for (unsigned b = 0; b < types.size(); ++b)
      for (unsigned a = 0; a < b; ++a) {
        if (types[a] != types[b])
          continue;
        SCOPED_TRACE(kernel.getName().str() + " with operand " +
                     std::to_string(b) + " in the buffer of " +
                     std::to_string(a));
        checkPair(kernel, a, b);
        ++pairs;
      }
  }
  EXPECT_EQ(pairs, GetParam().pairs);
}

std::vector<std::pair<std::string, std::string>> floats(const char *dtype) {
  std::string element = std::string("x") + dtype + ">";
  return {
      {"T", "tensor<6x5" + element},     {"R", "tensor<5" + element},
      {"Q", "tensor<2x2x4x4" + element}, {"L", "tensor<1x1x131x131" + element},
      {"M", "tensor<4x4" + element},     {"B", "tensor<2x4x4" + element}};
}

const char *kNormGrad =
    "%d = train.layer_norm_grad %x, %g, %s, %m, %r : $T, $R, tensor<6xf32>, "
    "tensor<6xf32>";
const char *kNormGradArguments =
    "%x: $T, %g: $T, %s: $R, %m: tensor<6xf32>, %r: tensor<6xf32>";
const std::string kAttentionTypes = "($Q, $Q, $Q, tensor<2x2x4xf32>, "
                                    "tensor<2x2x4xf32>, $Q, $Q)";

std::vector<Case> cases(const char *dtype) {
  auto types = floats(dtype);
  return {
      {"elementwise", "%x: $T, %y: $T, %z: $T, %r: $R",
       "%a = onnx.mul %x, %y : $T, $T -> $T\n"
       "%b = onnx.sub %a, %z : $T, $T -> $T\n"
       "%c = onnx.add %b, %r : $T, $R -> $T\n%d = onnx.div %c, %x : $T, $T -> "
       "$T",
       "%d : $T", types, 3},
      {"softmax_grad", "%y: $T, %g: $T", "%d = train.softmax_grad %y, %g : $T",
       "%d : $T", types, 1},
      {"layer_norm", "%x: $R, %s: $R, %b: $R",
       "%y, %m, %r = onnx.layer_normalization %x, %s, %b epsilon 1.0e-5 : ($R, "
       "$R, $R) -> ($R, tensor<f32>, tensor<f32>)",
       "%y : $R", types, 3},
      {"rms_norm", "%x: $R, %s: $R",
       "%y, %r = onnx.rms_normalization %x, %s epsilon 1.0e-5 : ($R, $R) -> "
       "($R, tensor<f32>)",
       "%y : $R", types, 1},
      {"norm_of_chain", "%x: $T, %y: $T, %z: $T, %s: $R, %b: $R",
       "%a = onnx.mul %x, %y : $T, $T -> $T\n%c = onnx.add %a, %b : $T, $R -> "
       "$T\n%e = onnx.sub %c, %z : $T, $T -> $T\n"
       "%n, %m, %r = onnx.layer_normalization %e, %s, %b epsilon 1.0e-5 : ($T, "
       "$R, $R) -> ($T, tensor<6xf32>, tensor<6xf32>)",
       "%n, %e : $T, $T", types, 4},
      {"layer_norm_grad", kNormGradArguments, kNormGrad, "%d : $T", types, 2},
      {"layer_norm_grad_of_a_row",
       "%x: $R, %g: $R, %s: $R, %m: tensor<f32>, %r: tensor<f32>",
       "%d = train.layer_norm_grad %x, %g, %s, %m, %r : $R, $R, tensor<f32>, "
       "tensor<f32>",
       "%d : $R", types, 4},
      {"chain_of_norm_grad",
       std::string(kNormGradArguments) + ", %y: $T, %z: $T",
       std::string(kNormGrad) + "\n%a = onnx.mul %d, %y : $T, $T -> $T\n"
                                "%b = onnx.add %a, %z : $T, $T -> $T",
       "%b : $T", types, 7},
      {"rms_norm_grad", "%x: $T, %g: $T, %s: $R, %r: tensor<6xf32>",
       "%d = train.rms_norm_grad %x, %g, %s, %r : $T, $R, tensor<6xf32>",
       "%d : $T", types, 1},
      {"norm_param_grads",
       "%x: $T, %g: $T, %m: tensor<6xf32>, %r: tensor<6xf32>",
       "%a, %b = train.layer_norm_param_grad %x, %g, %m, %r : $T, "
       "tensor<6xf32>, tensor<6xf32> -> $R, $R\n"
       "%c = train.rms_norm_param_grad %x, %g, %r : $T, tensor<6xf32> -> $R",
       "%a, %b, %c : $R, $R, $R", types, 3},
      {"attention", "%q: $Q, %k: $Q, %v: $Q, %m: $Q",
       "%y, %x, %s = onnx.attention %q, %k, %v mask %m scale 0.5 : ($Q, $Q, "
       "$Q, $Q) -> ($Q, tensor<2x2x4xf32>, tensor<2x2x4xf32>)",
       "%y : $Q", types, 6},
      {"attention_in_blocks", "%q: $L, %k: $L, %v: $L",
       "%y, %x, %s = onnx.attention %q, %k, %v scale 0.5 {causal} : ($L, $L, "
       "$L) -> ($L, tensor<1x1x131xf32>, tensor<1x1x131xf32>)",
       "%y : $L", types, 3},
      {"attention_grad",
       "%q: $Q, %k: $Q, %v: $Q, %x: tensor<2x2x4xf32>, %s: tensor<2x2x4xf32>, "
       "%g: $Q, %m: $Q",
       "%a, %b, %c = train.attention_grad %q, %k, %v saved %x, %s grad %g mask "
       "%m scale 0.5 : " +
           kAttentionTypes + " -> ($Q, $Q, $Q)",
       "%a, %b, %c : $Q, $Q, $Q", types, 11},
      {"attention_grad_in_blocks",
       "%q: $L, %k: $L, %v: $L, %x: tensor<1x1x131xf32>, %s: "
       "tensor<1x1x131xf32>, %g: $L",
       "%a, %b, %c = train.attention_grad %q, %k, %v saved %x, %s grad %g "
       "scale 0.5 {causal} : ($L, $L, $L, tensor<1x1x131xf32>, "
       "tensor<1x1x131xf32>, $L) -> ($L, $L, $L)",
       "%a, %b, %c : $L, $L, $L", types, 7},
      {"reduced_chain", "%x: $T, %y: $T",
       "%a = onnx.mul %x, %y : $T, $T -> $T\n%s = onnx.reduce_sum %a [0] "
       "keepdims false : $T -> $R",
       "%s : $R", types, 1},
      {"moves", "%x: $T, %y: $T",
       "%c = onnx.concat %x, %y axis 0 : $T, $T -> tensor<12x5x" +
           std::string(dtype) + ">",
       "%c : tensor<12x5x" + std::string(dtype) + ">", types, 1},
  };
}

/// Products that the library has not, losses and optimizers.
std::vector<Case> otherCases() {
  std::string f = "tensor<9xf32>", rank = ", %k: tensor<i64>";
  return {
      {"product_f64", "%x: $M, %y: $M",
       "%p = onnx.matmul %x, %y : $M, $M -> $M", "%p : $M", floats("f64"), 1},
      {"product_bf16", "%x: $B, %y: $B",
       "%p = onnx.matmul %x, %y : $B, $B -> $B", "%p : $B", floats("bf16"), 1},
      {"cross_entropy_grad",
       "%x: tensor<4x4xf32>, %l: tensor<4xi64>, %e: tensor<4xf32>, %s: "
       "tensor<f32>",
       "%d = train.cross_entropy_grad %x, %l, %e, %s ignore -100 : "
       "tensor<4x4xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32>",
       "%d : tensor<4x4xf32>",
       {},
       0},
      {"sum_of_squares",
       "%x: $F, %y: $F",
       "%s = train.sum_of_squares %x, %y : $F, $F -> tensor<f64>",
       "%s : tensor<f64>",
       {{"F", f}},
       1},
      {"adamw",
       "%p: $F, %g: $F, %m: $F, %v: $F, %l: tensor<f32>, %t: tensor<f32>, %c: "
       "tensor<f32>" +
           rank,
       "%a, %b, %d = train.flat_update (%p, %g states %m, %v lr %l step %t "
       "clip "
       "%c rank %k) [#train.range<end = 7, rule = #train.adamw<beta1 = 0.9, "
       "beta2 = 0.95, eps = 1.0e-8, decay = 0.1>>, #train.range<end = 99, rule "
       "= #train.adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8, decay = 0.0>>] "
       ": ($F, $F, $F, $F, tensor<f32>, tensor<f32>, tensor<f32>, tensor<i64>) "
       "-> ($F, $F, $F)",
       "%a, %b, %d : $F, $F, $F",
       {{"F", f}},
       9},
      {"sgd",
       "%p: $F, %g: $F, %b: $F, %l: tensor<f32>" + rank,
       "%q, %c = train.flat_update (%p, %g states %b lr %l rank %k) "
       "[#train.range<end = 5, rule = #train.sgd<momentum = 0.9, decay = "
       "0.1>>, "
       "#train.range<end = 99, rule = #train.sgd<momentum = 0.9, decay = "
       "0.0>>] "
       ": ($F, $F, $F, tensor<f32>, tensor<i64>) -> ($F, $F)",
       "%q, %c : $F, $F",
       {{"F", f}},
       3},
  };
}

auto nameOf = [](const ::testing::TestParamInfo<Case> &info) {
  return std::string(info.param.name);
};
INSTANTIATE_TEST_SUITE_P(F32, SharedOperand, ::testing::ValuesIn(cases("f32")),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Bf16, SharedOperand,
                         ::testing::ValuesIn(cases("bf16")), nameOf);
INSTANTIATE_TEST_SUITE_P(Other, SharedOperand,
                         ::testing::ValuesIn(otherCases()), nameOf);
} // namespace
