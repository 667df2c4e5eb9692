//===- AttentionRowsTest.cpp - Attention between products -----------------===//
//
// Tests the rows' probabilities and the gradients of their scores against the
// formulas in double: blocks in the middle, causal with more columns than rows,
// masks of every way to broadcast, factors in bf16.
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
struct RowsCase {
  const char *name;
  int64_t B, H, first, R, S, T;
  bool causal = false;
  std::vector<int64_t> mask = {}; ///< shape; empty: none
  const char *dtype = "f32";

  int64_t columns() const { return causal ? first + R + T - S : T; }
};

std::ostream &operator<<(std::ostream &os, const RowsCase &c) {
  return os << c.name;
}

class AttentionRows : public KernelTest,
                      public ::testing::WithParamInterface<RowsCase> {
protected:
  const RowsCase &c = GetParam();
  const double scale = 0.375;
  const int64_t C = c.columns(), rows = c.B * c.H * c.R;
  std::string scores = type({c.B, c.H, c.R, C}, "f32");
  std::string p = type({c.B, c.H, c.R, C}, c.dtype);
  std::string row = type({c.B, c.H, c.R}, "f32");
  std::string mask = c.mask.empty() ? "" : type(c.mask, "f32");

  double maskAt(const Values &values, int64_t number, int64_t j) const {
    int64_t places[] = {number / (c.H * c.R), number / c.R % c.H,
                        c.first + number % c.R, j};
    int64_t at = 0;
    for (size_t d = 0; d < c.mask.size(); ++d)
      at =
          at * c.mask[d] + (c.mask[d] == 1 ? 0 : places[d + 4 - c.mask.size()]);
    return c.mask.empty() ? 0 : values[at];
  }

  struct Wanted {
    Values p, power, max, sum, ds;
  };
  /// Of one row, `raw` and `dp` its products.
  void add(Wanted &w, const double *raw, const double *dp, const Values &masks,
           int64_t number) const {
    int64_t count = c.causal ? c.first + number % c.R + 1 + c.T - c.S : C;
    Values s(count);
    for (int64_t j = 0; j < count; ++j)
      s[j] = float(scale * raw[j] + maskAt(masks, number, j));
    double most = *std::max_element(s.begin(), s.end()), sum = 0, dot = 0;
    for (double &value : s)
      sum += value = std::exp(value - most);
    for (int64_t j = 0; j < count; ++j)
      dot += s[j] / sum * dp[j];
    w.max.push_back(most);
    w.sum.push_back(sum);
    for (int64_t j = 0; j < C; ++j) {
      w.power.push_back(j < count ? s[j] : 0);
      w.p.push_back(w.power.back() / sum);
      w.ds.push_back(scale * w.p.back() * (dp[j] - dot));
    }
  }
};

TEST_P(AttentionRows, MatchesDouble) {
  Values raw = halves(rows * C, -4, 4), dp = halves(rows * C, -1, 1);
  int64_t size = std::accumulate(c.mask.begin(), c.mask.end(), int64_t(1),
                                 std::multiplies<int64_t>());
  Values masks = c.mask.empty() ? Values() : halves(size, -2, 2);
  for (size_t i = 0; c.mask.size() && c.mask.back() > 1 && i < masks.size();
       i += 3)
    masks[i] = -0x1.fp127;
  std::string masked = mask.empty() ? "" : " mask %m";
  std::string tail = " first " + std::to_string(c.first) + " of " +
                     std::to_string(c.S) + " x " + std::to_string(c.T) +
                     " scale 3.75e-1" + (c.causal ? " {causal}" : "") + " : (" +
                     scores;
  std::string maskType = mask.empty() ? "" : ", " + mask;
  std::string results = p + ", " + row + ", " + row + ", " + p + ", " + p;
  std::vector<Values> inputs = {raw, dp};
  if (!mask.empty())
    inputs.push_back(masks);
  auto got =
      run("(%s: " + scores + ", %d: " + scores +
              (mask.empty() ? "" : ", %m: " + mask) + ") -> (" + results + ")",
          "%p, %x, %t = train.attention_rows %s" + masked + tail + maskType +
              ") -> (" + p + ", " + row + ", " + row + ")\n" +
              "%q, %e = train.attention_rows_grad %s saved %x, %t grad %d" +
              masked + tail + ", " + row + ", " + row + ", " + scores +
              maskType + ") -> (" + p + ", " + p + ")",
          "%p, %x, %t, %q, %e : " + results, inputs);
  Wanted w;
  for (int64_t i = 0; i < rows; ++i)
    add(w, &raw[i * C], &dp[i * C], masks, i);
  bool isDivided = p == scores;
  const Values *wanted[] = {isDivided ? &w.p : &w.power, &w.max, &w.sum, &w.p,
                            &w.ds};
  ASSERT_EQ(got.size(), 5u);
  for (auto [i, values] : llvm::enumerate(wanted)) {
    SCOPED_TRACE(i);
    if (got[i].getType().getElementType().isBF16())
      expectRounded(got[i], *values, 1e-6);
    else
      expectNear(got[i], *values, 2e-6);
  }
}

const RowsCase kRowsCases[] = {
    {"plain", 2, 3, 0, 5, 5, 7},
    {"middle", 1, 2, 3, 2, 9, 9},
    {"causal", 2, 2, 4, 4, 12, 12, true},
    {"causal_first", 2, 2, 0, 4, 12, 12, true},
    {"causal_behind_a_prefix", 1, 2, 1, 2, 4, 11, true},
    {"one_of_each", 1, 1, 0, 1, 1, 1, true},
    {"wide", 1, 1, 1, 2, 3, 700},
    {"mask_full", 2, 2, 1, 2, 4, 6, false, {2, 2, 4, 6}},
    {"mask_matrix", 2, 2, 2, 2, 4, 6, false, {4, 6}},
    {"mask_columns", 2, 2, 2, 2, 4, 6, false, {2, 1, 1, 6}},
    {"mask_rows", 2, 2, 2, 2, 4, 6, false, {1, 1, 4, 1}},
    {"mask_and_causal", 2, 2, 2, 3, 6, 6, true, {2, 1, 6, 6}},
    {"half", 2, 2, 4, 4, 12, 12, true, {}, "bf16"},
    {"half_mask", 1, 2, 2, 2, 4, 600, false, {4, 600}, "bf16"},
};

INSTANTIATE_TEST_SUITE_P(All, AttentionRows, ::testing::ValuesIn(kRowsCases),
                         [](const auto &info) { return info.param.name; });

/// Sums that lie in blocks of `rows`, the last of which is smaller.
TEST_F(KernelTest, AttentionDivideReadsSumsByBlocks) {
  const int64_t B = 2, H = 3, S = 10, D = 24;
  for (int64_t rows : {4, 10, 1})
    for (const char *dtype : {"f32", "bf16"}) {
      SCOPED_TRACE(dtype + std::to_string(rows));
      Values values = halves(B * H * S * D, -8, 8), sums(B * H * S), wanted;
      for (int64_t i = 0; i < B * H * S; ++i)
        sums[i] = 1 + i * 0.25;
      for (int64_t i = 0; i < B * H * S * D; ++i) {
        int64_t head = i / (S * D), row = i / D % S, first = row / rows * rows;
        int64_t count = std::min(rows, S - first);
        wanted.push_back(values[i] /
                         sums[B * H * first + head * count + row - first]);
      }
      std::string x = type({B, H, S, D}, "f32"), t = type({B, H, S}, "f32");
      std::string y = type({B, H, S, D}, dtype);
      auto got =
          run("(%x: " + x + ", %t: " + t + ") -> " + y,
              "%y = train.attention_divide %x by %t blocks " +
                  std::to_string(rows) + " : (" + x + ", " + t + ") -> " + y,
              "%y : " + y, {values, sums});
      ASSERT_EQ(got.size(), 1u);
      if (y == x)
        expectNear(got[0], wanted, 1e-6);
      else
        expectRounded(got[0], wanted, 1e-6);
    }
}
} // namespace
