//===- Cases.cpp - The memory-bound kernels of GPT-2-124M -----------------===//
//
// Batch 4, sequence 256, width 768, 12 heads of 64, 50257 tokens; a unit of
// 7,087,872 parameters on two ranks.
//
//===----------------------------------------------------------------------===//
#include "test/bench/kernels/Cases.h"

using namespace fsdp::bench;

namespace {
std::string tensor(const std::string &type) { return "tensor<" + type + ">"; }

const std::string kX = "4x256x768xf32", kRow = "768xf32", kTokens = "4x256xf32";
const std::string kHidden = "4x256x3072xf32", kWide = "3072xf32";
const std::string kHeads = "4x12x256x64xf32", kHead = "4x256x12x64xf32";
const std::string kQkv = "4x256x2304xf32", kScores = "4x12x256x256xf32";
const std::string kLogits = "4x256x50257xf32", kTable = "50257x768xf32";
const std::string kParts = "32x768xf32"; // of a norm with 1024 rows
const std::string kIds = "4x256xi64", kShard = "3543936xf32", kScalar = "f32";

/// %result = onnx.name %a, %b, all of one type.
std::string binary(const std::string &result, const std::string &name,
                   const std::string &a, const std::string &b,
                   const std::string &ta, const std::string &tb,
                   const std::string &to) {
  return result + " = onnx." + name + " " + a + ", " + b + " : " + tensor(ta) +
         ", " + tensor(tb) + " -> " + tensor(to) + "\n";
}
std::string unary(const std::string &result, const std::string &name,
                  const std::string &x, const std::string &type) {
  return result + " = onnx." + name + " " + x + " : " + tensor(type) + " -> " +
         tensor(type) + "\n";
}
std::string constant(const std::string &result, const std::string &value) {
  return result + " = onnx.constant dense<" + value +
         "> : tensor<f32> : " + "tensor<f32>\n";
}

Case layerNormalization() {
  return {"layer_normalization",
          {kX, kRow, kRow},
          "%y, %m, %r = onnx.layer_normalization %0, %1, %2 epsilon 1.0e-5 : "
          "(" +
              tensor(kX) + ", " + tensor(kRow) + ", " + tensor(kRow) +
              ") -> (" + tensor(kX) + ", " + tensor(kTokens) + ", " +
              tensor(kTokens) + ")",
          "%y, %m, %r : " + tensor(kX) + ", " + tensor(kTokens) + ", " +
              tensor(kTokens)};
}

Case residualLayerNormalization() {
  Case c = layerNormalization();
  c.name = "residual_layer_normalization";
  c.arguments.push_back(kX);
  c.body = binary("%s", "add", "%0", "%3", kX, kX, kX) +
           "%y, %m, %r = onnx.layer_normalization %s" +
           c.body.substr(c.body.find("%0") + 2);
  c.results = "%s, " + c.results;
  c.results.insert(c.results.find(':') + 2, tensor(kX) + ", ");
  return c;
}

Case layerNormGrad() {
  Case c{"layer_norm_grad",
         {kX, kX, kRow, kTokens, kTokens},
         "%d = train.layer_norm_grad %0, %1, %2, %3, %4 : " + tensor(kX) +
             ", " + tensor(kRow) + ", " + tensor(kTokens) + ", " +
             tensor(kTokens) + "\n",
         "%d : " + tensor(kX)};
  c.inPlace = true;
  return c;
}

Case residualLayerNormGrad() {
  Case c = layerNormGrad();
  c.name = "residual_layer_norm_grad";
  c.arguments.push_back(kX);
  c.body += binary("%s", "add", "%5", "%d", kX, kX, kX);
  c.results = "%s : " + tensor(kX);
  return c;
}

Case layerNormParamGrad() {
  return {"layer_norm_param_grad",
          {kX, kX, kTokens, kTokens},
          "%s, %b = train.layer_norm_param_grad %0, %1, %2, %3 : " +
              tensor(kX) + ", " + tensor(kTokens) + ", " + tensor(kTokens) +
              " -> " + tensor(kRow) + ", " + tensor(kRow),
          "%s, %b : " + tensor(kRow) + ", " + tensor(kRow)};
}

/// %to = the sums over the rows of the parts %from.
std::string sumOfParts(const std::string &to, const std::string &from) {
  return to + " = onnx.reduce_sum " + from +
         " [0] keepdims false : " + tensor(kParts) + " -> " + tensor(kRow) +
         "\n";
}

/// All gradients of a layer normalisation, and the sum of gradients, as GPT-2's
/// backward pass has them.
Case residualLayerNormGrads() {
  Case c{
      "residual_layer_norm_grads",
      {kX, kX, kRow, kTokens, kTokens, kX},
      "%d, %p, %q = train.layer_norm_grad %0, %1, %2, %3, %4 : " + tensor(kX) +
          ", " + tensor(kRow) + ", " + tensor(kTokens) + ", " +
          tensor(kTokens) + " parts " + tensor(kParts) + ", " + tensor(kParts) +
          "\n" + sumOfParts("%s", "%p") + sumOfParts("%b", "%q") +
          binary("%y", "add", "%5", "%d", kX, kX, kX),
      "%y, %s, %b : " + tensor(kX) + ", " + tensor(kRow) + ", " + tensor(kRow)};
  c.inPlace = true;
  return c;
}

Case residualRmsNormalization() {
  return {"residual_rms_normalization",
          {kX, kX, kRow},
          binary("%s", "add", "%0", "%1", kX, kX, kX) +
              "%y, %r = onnx.rms_normalization %s, %2 epsilon 1.0e-5 : (" +
              tensor(kX) + ", " + tensor(kRow) + ") -> (" + tensor(kX) + ", " +
              tensor(kTokens) + ")",
          "%s, %y, %r : " + tensor(kX) + ", " + tensor(kX) + ", " +
              tensor(kTokens)};
}

Case residualRmsNormGrads() {
  Case c{"residual_rms_norm_grads",
         {kX, kX, kRow, kTokens, kX},
         "%d, %p = train.rms_norm_grad %0, %1, %2, %3 : " + tensor(kX) + ", " +
             tensor(kRow) + ", " + tensor(kTokens) + " parts " +
             tensor(kParts) + "\n" + sumOfParts("%s", "%p") +
             binary("%y", "add", "%4", "%d", kX, kX, kX),
         "%y, %s : " + tensor(kX) + ", " + tensor(kRow)};
  c.inPlace = true;
  return c;
}

Case softmax() {
  Case c{"softmax",
         {kScores},
         unary("%y", "softmax", "%0", kScores),
         "%y : " + tensor(kScores)};
  c.inPlace = true;
  c.high = 5;
  return c;
}

Case softmaxGrad() {
  Case c{"softmax_grad",
         {kScores, kScores},
         "%d = train.softmax_grad %0, %1 : " + tensor(kScores),
         "%d : " + tensor(kScores)};
  c.inPlace = true;
  return c;
}

std::string crossEntropyOps() {
  return "%l, %e = train.cross_entropy %0, %1 ignore -100 : " +
         tensor(kLogits) + ", " + tensor(kIds) + " -> " + tensor(kTokens) +
         ", " + tensor(kTokens) + "\n" +
         "%n = onnx.reduce_sum %l [0, 1] keepdims false : " + tensor(kTokens) +
         " -> " + tensor(kScalar) + "\n";
}

Case crossEntropy() {
  Case c{"cross_entropy",
         {kLogits, kIds},
         crossEntropyOps(),
         "%n, %e : " + tensor(kScalar) + ", " + tensor(kTokens),
         50257,
         false,
         -10,
         10};
  c.isLarge = true;
  return c;
}

Case crossEntropyGrad() {
  Case c{"cross_entropy_grad",
         {kLogits, kIds, kTokens, kScalar},
         "%d = train.cross_entropy_grad %0, %1, %2, %3 ignore -100 : " +
             tensor(kLogits) + ", " + tensor(kIds) + ", " + tensor(kTokens) +
             ", " + tensor(kScalar),
         "%d : " + tensor(kLogits),
         50257,
         true,
         5,
         10};
  c.isLarge = true;
  return c;
}

/// Forward and gradient, as large as one read and one write of the logits.
Case crossEntropyWithGrad() {
  Case c{"cross_entropy_with_grad",
         {kLogits, kIds, kScalar},
         crossEntropyOps() +
             "%d = train.cross_entropy_grad %0, %1, %e, %2 ignore -100 : " +
             tensor(kLogits) + ", " + tensor(kIds) + ", " + tensor(kTokens) +
             ", " + tensor(kScalar),
         "%n, %d : " + tensor(kScalar) + ", " + tensor(kLogits),
         50257,
         true,
         5,
         10};
  c.isLarge = true;
  return c;
}

Case adamw() {
  std::string three =
      tensor(kShard) + ", " + tensor(kShard) + ", " + tensor(kShard);
  Case c{"adamw",
         {kShard, kShard, kShard, kShard, kScalar, kScalar, kScalar, "i64"},
         "%p, %m, %v = train.flat_update (%0, %1 states %2, %3 lr %4 step %5 "
         "clip %6 rank %7) [#train.range<end = 3000000, rule = "
         "#train.adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8, decay = 0.1>>, "
         "#train.range<end = 100000000, rule = #train.adamw<beta1 = 0.9, beta2 "
         "= 0.95, eps = 1.0e-8, decay = 0.0>>] : (" +
             three + ", " + tensor(kShard) + ", " + tensor(kScalar) + ", " +
             tensor(kScalar) + ", " + tensor(kScalar) + ", " + tensor("i64") +
             ") -> (" + three + ")",
         "%p, %m, %v : " + three};
  c.inPlace = true;
  c.isLarge = true;
  c.low = 0.1;
  return c;
}

/// With moments in bf16, stochastically rounded.
Case adamwRounded() {
  const std::string half = "3543936xbf16";
  std::string flats =
      tensor(kShard) + ", " + tensor(half) + ", " + tensor(half);
  const std::string range = ", rule = #train.rounded<rule = #train.adamw<beta1 "
                            "= 0.9, beta2 = 0.95, eps = 1.0e-8, decay = 0.1>, "
                            "type = bf16>, stride = 3543936>";
  Case c{"adamw_bf16",
         {kShard, kShard, half, half, kScalar, kScalar, kScalar, "i64", "i64",
          "2xi64"},
         "%p, %m, %v = train.flat_update (%0, %1 states %2, %3 lr %4 step %5 "
         "clip %6 rank %7 seed %8 keys %9) [#train.range<end = 3000000" +
             range + ", #train.range<end = 100000000" + range + "] : (" +
             tensor(kShard) + ", " + flats + ", " + tensor(kScalar) + ", " +
             tensor(kScalar) + ", " + tensor(kScalar) + ", " + tensor("i64") +
             ", " + tensor("i64") + ", " + tensor("2xi64") + ") -> (" + flats +
             ")",
         "%p, %m, %v : " + flats};
  c.inPlace = true;
  c.isLarge = true;
  c.low = 0.1;
  return c;
}

Case sumOfSquares() {
  return {"sum_of_squares",
          {kShard},
          "%s = train.sum_of_squares %0 : " + tensor(kShard) +
              " -> tensor<f64>",
          "%s : tensor<f64>"};
}

/// The gradient of the tanh form, as dialects/Onnx/Gradients makes it: with
/// v = 2 c (x + a x^3), s = sigmoid(v): dy (s + x s (1 - s) 2 c (1 + 3 a x^2)).
Case geluBackward() {
  std::string h = kHidden, s = kScalar;
  Case c{"gelu_tanh_grad",
         {h, h},
         constant("%c1", "0.044715") + constant("%c2", "1.59576917") +
             constant("%c3", "0.134145") + constant("%one", "1.0") +
             binary("%x2", "mul", "%0", "%0", h, h, h) +
             binary("%x3", "mul", "%x2", "%0", h, h, h) +
             binary("%a", "mul", "%x3", "%c1", h, s, h) +
             binary("%b", "add", "%0", "%a", h, h, h) +
             binary("%v", "mul", "%b", "%c2", h, s, h) +
             unary("%s", "sigmoid", "%v", h) +
             binary("%u", "sub", "%one", "%s", s, h, h) +
             binary("%w", "mul", "%x2", "%c3", h, s, h) +
             binary("%w1", "add", "%w", "%one", h, s, h) +
             binary("%w2", "mul", "%w1", "%c2", h, s, h) +
             binary("%xs", "mul", "%0", "%s", h, h, h) +
             binary("%z", "mul", "%u", "%w2", h, h, h) +
             binary("%z1", "mul", "%xs", "%z", h, h, h) +
             binary("%q", "add", "%s", "%z1", h, h, h) +
             binary("%y", "mul", "%q", "%1", h, h, h),
         "%y : " + tensor(h)};
  c.inPlace = true;
  return c;
}

/// onnx.gelu, in either form, behind its bias.
Case geluOp(const std::string &name, const std::string &form) {
  return {name,
          {kHidden, kWide},
          binary("%x", "add", "%0", "%1", kHidden, kWide, kHidden) +
              "%y = onnx.gelu %x" + form + " : " + tensor(kHidden) + " -> " +
              tensor(kHidden),
          "%y : " + tensor(kHidden)};
}

Case residualAdd() {
  Case c{"residual_add",
         {kX, kX},
         binary("%y", "add", "%0", "%1", kX, kX, kX),
         "%y : " + tensor(kX)};
  c.inPlace = true;
  return c;
}

Case biasAdd() {
  Case c{"bias_add",
         {kQkv, "2304xf32"},
         binary("%y", "add", "%0", "%1", kQkv, "2304xf32", kQkv),
         "%y : " + tensor(kQkv)};
  c.inPlace = true;
  return c;
}

Case transpose(const std::string &name, const std::string &perm,
               const std::string &from, const std::string &to) {
  return {name,
          {from},
          "%y = onnx.transpose %0 " + perm + " : " + tensor(from) + " -> " +
              tensor(to),
          "%y : " + tensor(to)};
}

Case split() {
  std::string three = tensor(kX) + ", " + tensor(kX) + ", " + tensor(kX);
  return {"split_qkv",
          {kQkv},
          "%q, %k, %v = onnx.split %0 axis 2 : " + tensor(kQkv) + " -> " +
              three,
          "%q, %k, %v : " + three};
}

Case concat() {
  return {"concat_qkv",
          {kX, kX, kX},
          "%y = onnx.concat %0, %1, %2 axis 2 : " + tensor(kX) + ", " +
              tensor(kX) + ", " + tensor(kX) + " -> " + tensor(kQkv),
          "%y : " + tensor(kQkv)};
}

Case gather() {
  Case c{"embedding",
         {kTable, kIds},
         "%y = onnx.gather %0, %1 : " + tensor(kTable) + ", " + tensor(kIds) +
             " -> " + tensor(kX),
         "%y : " + tensor(kX),
         50257};
  c.bytes = 2 * 4 * 256 * 768 * 4; // only the rows that are read
  c.isLarge = true;
  return c;
}

Case gatherGrad() {
  Case c{"embedding_grad",
         {kIds, kX},
         "%d = train.gather_grad %0, %1 : " + tensor(kIds) + ", " + tensor(kX) +
             " -> " + tensor(kTable),
         "%d : " + tensor(kTable),
         50257};
  c.isLarge = true;
  return c;
}

Case reduceRows(const std::string &name, const std::string &from,
                const std::string &to) {
  return {name,
          {from},
          "%y = onnx.reduce_sum %0 [0, 1] keepdims false : " + tensor(from) +
              " -> " + tensor(to),
          "%y : " + tensor(to)};
}
/// The sum over the rows of a chain that nothing else reads: as large as what
/// the chain reads.
Case reduceChain() {
  return {"chain_into_sum",
          {kHidden, kHidden, kWide},
          binary("%m", "mul", "%0", "%1", kHidden, kHidden, kHidden) +
              binary("%a", "mul", "%m", "%2", kHidden, kWide, kHidden) +
              "%y = onnx.reduce_sum %a [0, 1] keepdims false : " +
              tensor(kHidden) + " -> " + tensor(kWide),
          "%y : " + tensor(kWide)};
}
} // namespace

std::vector<Case> fsdp::bench::cases() {
  return {layerNormalization(),
          residualLayerNormalization(),
          layerNormGrad(),
          residualLayerNormGrad(),
          layerNormParamGrad(),
          residualLayerNormGrads(),
          residualRmsNormalization(),
          residualRmsNormGrads(),
          softmax(),
          softmaxGrad(),
          crossEntropy(),
          crossEntropyGrad(),
          crossEntropyWithGrad(),
          adamw(),
          adamwRounded(),
          sumOfSquares(),
          geluBackward(),
          geluOp("gelu_erf", ""),
          geluOp("gelu_tanh", " {tanh}"),
          residualAdd(),
          biasAdd(),
          transpose("heads_to_front", "[0, 2, 1, 3]", kHead, kHeads),
          transpose("heads_to_back", "[0, 2, 1, 3]", kHeads, kHead),
          split(),
          concat(),
          gather(),
          gatherGrad(),
          reduceRows("bias_grad", kX, kRow),
          reduceRows("bias_grad_wide", kHidden, kWide),
          reduceChain()};
}
