//===- AttentionKernelTest.cpp - Attention kernels ------------------------===//
//
// Tests that attention and its gradient in f32 are as near to the formulas in
// double as f32 allows, and in bf16 as rounded factors do: more rows than a
// block, grouped queries, other widths for v, causal with more columns than
// rows, masks of every way to broadcast.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
struct AttentionCase {
  const char *name;
  int64_t B, H, Hk, S, T, D, Dv;
  bool causal = false;
  std::vector<int64_t> mask = {}; ///< shape; empty: none
  const char *dtype = "f32";
  const char *maskDtype = "f32";
};

std::ostream &operator<<(std::ostream &os, const AttentionCase &c) {
  return os << c.name;
}

class AttentionKernel : public KernelTest,
                        public ::testing::WithParamInterface<AttentionCase> {
protected:
  const AttentionCase &c = GetParam();
  const double scale = 0.3;
  std::string q = type({c.B, c.H, c.S, c.D}, c.dtype);
  std::string k = type({c.B, c.Hk, c.T, c.D}, c.dtype);
  std::string v = type({c.B, c.Hk, c.T, c.Dv}, c.dtype);
  std::string y = type({c.B, c.H, c.S, c.Dv}, c.dtype);
  std::string row = type({c.B, c.H, c.S}, "f32");
  std::string mask = c.mask.empty() ? "" : type(c.mask, c.maskDtype);

  Values makeMask() {
    int64_t count = std::accumulate(c.mask.begin(), c.mask.end(), int64_t(1),
                                    std::multiplies<int64_t>());
    Values values = halves(count, -2, 2);
    for (int64_t i = 0; i < count; i += 3) // a few are hidden
      if (c.mask.back() > 1)
        values[i] = -0x1.fp127;
    return values;
  }

  double maskAt(const Values &values, int64_t b, int64_t h, int64_t i,
                int64_t j) const {
    if (c.mask.empty())
      return 0;
    int64_t places[] = {b, h, i, j}, at = 0;
    for (size_t d = 0; d < c.mask.size(); ++d)
      at =
          at * c.mask[d] + (c.mask[d] == 1 ? 0 : places[d + 4 - c.mask.size()]);
    return values[at];
  }

  struct Wanted {
    Values y, max, sum, dq, dk, dv;
  };
  Wanted compute(const Values &qs, const Values &ks, const Values &vs,
                 const Values &masks, const Values &dy) const;
};

AttentionKernel::Wanted
AttentionKernel::compute(const Values &qs, const Values &ks, const Values &vs,
                         const Values &masks, const Values &dy) const {
  Wanted w;
  w.y.resize(c.B * c.H * c.S * c.Dv);
  w.dq.resize(qs.size());
  w.dk.resize(ks.size());
  w.dv.resize(vs.size());
  for (int64_t b = 0; b < c.B; ++b)
    for (int64_t h = 0; h < c.H; ++h)
      for (int64_t i = 0; i < c.S; ++i) {
        int64_t at = (b * c.H + h) * c.S + i;
        int64_t keys = (b * c.Hk + h / (c.H / c.Hk)) * c.T;
        int64_t columns = c.causal ? i + c.T - c.S + 1 : c.T;
        Values p(columns), dp(columns);
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t d = 0; d < c.D; ++d)
            p[j] += scale * qs[at * c.D + d] * ks[(keys + j) * c.D + d];
          // As f32 adds: -3e38 leaves nothing of the score.
          p[j] = float(p[j] + maskAt(masks, b, h, i, j));
        }
        double most = *std::max_element(p.begin(), p.end()), sum = 0, dot = 0;
        for (double &value : p)
          sum += value = std::exp(value - most);
        w.max.push_back(most);
        w.sum.push_back(sum);
        for (int64_t j = 0; j < columns; ++j) {
          p[j] /= sum;
          for (int64_t d = 0; d < c.Dv; ++d) {
            w.y[at * c.Dv + d] += p[j] * vs[(keys + j) * c.Dv + d];
            w.dv[(keys + j) * c.Dv + d] += p[j] * dy[at * c.Dv + d];
            dp[j] += dy[at * c.Dv + d] * vs[(keys + j) * c.Dv + d];
          }
          dot += p[j] * dp[j];
        }
        for (int64_t j = 0; j < columns; ++j)
          for (int64_t d = 0; d < c.D; ++d) {
            double ds = scale * p[j] * (dp[j] - dot);
            w.dq[at * c.D + d] += ds * ks[(keys + j) * c.D + d];
            w.dk[(keys + j) * c.D + d] += ds * qs[at * c.D + d];
          }
      }
  return w;
}

TEST_P(AttentionKernel, MatchesDouble) {
  Values qs = halves(c.B * c.H * c.S * c.D, -2, 2);
  Values ks = halves(c.B * c.Hk * c.T * c.D, -2, 2);
  Values vs = halves(c.B * c.Hk * c.T * c.Dv, -1, 1);
  Values dy = halves(c.B * c.H * c.S * c.Dv, -1, 1);
  Values masks = c.mask.empty() ? Values() : makeMask();
  std::string masked = c.mask.empty() ? "" : " mask %m";
  std::string attributes =
      " scale 3.0e-1" + std::string(c.causal ? " {causal}" : "");
  std::string maskType = c.mask.empty() ? "" : ", " + mask;
  std::vector<Values> inputs = {qs, ks, vs, dy};
  if (!c.mask.empty())
    inputs.push_back(masks);
  std::string results =
      "(" + y + ", " + row + ", " + row + ", " + q + ", " + k + ", " + v + ")";
  auto got = run(
      "(%q: " + q + ", %k: " + k + ", %v: " + v + ", %g: " + y +
          (c.mask.empty() ? "" : ", %m: " + mask) + ") -> " + results,
      "%y, %x, %s = onnx.attention %q, %k, %v" + masked + attributes + " : (" +
          q + ", " + k + ", " + v + maskType + ") -> (" + y + ", " + row +
          ", " + row + ")\n" +
          "%dq, %dk, %dv = train.attention_grad %q, %k, %v saved %x, %s grad "
          "%g" +
          masked + attributes + " : (" + q + ", " + k + ", " + v + ", " + row +
          ", " + row + ", " + y + maskType + ") -> (" + q + ", " + k + ", " +
          v + ")",
      "%y, %x, %s, %dq, %dk, %dv : " + y + ", " + row + ", " + row + ", " + q +
          ", " + k + ", " + v,
      inputs);
  Wanted w = compute(qs, ks, vs, masks, dy);
  const Values *wanted[] = {&w.y, &w.max, &w.sum, &w.dq, &w.dk, &w.dv};
  ASSERT_EQ(got.size(), 6u);
  for (auto [i, values] : llvm::enumerate(wanted)) {
    SCOPED_TRACE(i);
    bool isHalf = got[i].getType().getElementType().isBF16();
    // In bf16 the probabilities and the scores' gradients are rounded as well.
    if (isHalf)
      expectRounded(got[i], *values, 0x1p-7);
    else
      expectNear(got[i], *values, 1e-5);
  }
}

const AttentionCase kAttentionCases[] = {
    {"plain", 2, 3, 3, 5, 5, 4, 4},
    {"causal", 2, 2, 2, 7, 7, 8, 8, true},
    {"two_blocks", 1, 2, 2, 131, 131, 8, 8, true},
    {"full_blocks", 1, 1, 1, 256, 64, 8, 8},
    {"grouped", 2, 6, 2, 9, 9, 4, 4, true},
    {"other_widths", 1, 2, 1, 3, 11, 5, 7},
    {"causal_behind_a_prefix", 1, 2, 2, 4, 11, 3, 3, true},
    {"one_of_each", 1, 1, 1, 1, 1, 1, 1, true},
    {"mask_full", 2, 2, 2, 4, 6, 3, 3, false, {2, 2, 4, 6}},
    {"mask_matrix", 2, 2, 1, 4, 6, 3, 3, false, {4, 6}},
    {"mask_columns", 2, 2, 2, 4, 6, 3, 3, false, {2, 1, 1, 6}},
    {"mask_rows", 2, 2, 2, 4, 6, 3, 3, false, {1, 1, 4, 1}},
    {"mask_and_causal", 2, 2, 2, 131, 131, 3, 3, true, {2, 1, 131, 131}},
    {"half", 2, 6, 2, 131, 131, 8, 5, true, {}, "bf16"},
    {"half_f32_mask", 2, 2, 2, 4, 6, 3, 3, false, {2, 1, 4, 6}, "bf16"},
    {"half_mask", 2, 2, 1, 4, 6, 3, 3, false, {4, 6}, "bf16", "bf16"},
    {"half_full_blocks", 1, 1, 1, 256, 64, 8, 8, false, {}, "bf16"},
    {"half_behind_a_prefix", 1, 2, 2, 4, 11, 3, 3, true, {}, "bf16"},
};

INSTANTIATE_TEST_SUITE_P(All, AttentionKernel,
                         ::testing::ValuesIn(kAttentionCases),
                         [](const auto &info) { return info.param.name; });

/// Tests that a row whose mask hides everything, by the lowest number of f32,
/// has the gradients of what it computes: all its columns are equal. A saved
/// max + log(sum) would not do: the logarithm is lost beside -3e38.
TEST_F(KernelTest, AttentionOfAHiddenRowIsEven) {
  for (const char *dtype : {"f32", "bf16"}) {
    std::string q = type({1, 1, 1, 1}, dtype), k = type({1, 1, 4, 1}, dtype);
    std::string m = type({4}, "f32"), s = type({1, 1, 1}, "f32");
    Values hidden(4, -3.4028234663852886e38);
    auto got = run(
        "(%q: " + q + ", %k: " + k + ", %m: " + m + ") -> (" + q + ", " + k +
            ")",
        "%y, %x, %s = onnx.attention %q, %k, %k mask %m scale 1.0 : (" + q +
            ", " + k + ", " + k + ", " + m + ") -> (" + q + ", " + s + ", " +
            s +
            ")\n%dq, %dk, %dv = train.attention_grad %q, %k, %k saved %x, %s "
            "grad %q mask %m scale 1.0 : (" +
            q + ", " + k + ", " + k + ", " + s + ", " + s + ", " + q + ", " +
            m + ") -> (" + q + ", " + k + ", " + k + ")",
        "%y, %dv : " + q + ", " + k, {{1}, {1, 2, 3, 4}, hidden});
    expectNear(got[0], {2.5}, 1e-6);
    expectNear(got[1], {0.25, 0.25, 0.25, 0.25}, 1e-6);
  }
}
} // namespace
