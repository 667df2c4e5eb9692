//===- UpdateRulesTest.cpp - What optimizers make of an element -----------===//
#include "test/passes/Kernel/UpdateTest.h"

#include <cmath>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
/// One torch.optim.AdamW step in double.
void adamw(double &p, double g, double &m, double &v, double lr, double step,
           double decay) {
  const double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  p *= 1 - lr * decay;
  m += (g - m) * (1 - beta1);
  v = v * beta2 + (1 - beta2) * g * g;
  double denominator =
      std::sqrt(v) / std::sqrt(1 - std::pow(beta2, step)) + eps;
  p -= lr / (1 - std::pow(beta1, step)) * m / denominator;
}

TEST_F(Update, AdamWMatchesTorchsFormula) {
  for (double step : {1.0, 2.0, 37.0, 5000.0})
    for (int64_t rank : {0, 1, 2}) {
      // The decayed part of the line ends inside rank 1's shard.
      const int64_t decayed = size + 400;
      const double lr = float(3e-4), clip = 0.5;
      Values p = random(size, -1, 1), g = random(size, -1, 1);
      Values m = random(size, -0.1, 0.1), v = random(size, 0, 0.01);
      auto results = update("adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8",
                            decayed, 0.1, 0, "step clip",
                            {p, g, m, v, {lr}, {step}, {clip}, {double(rank)}});
      for (int64_t i = 0; i < size; ++i)
        adamw(p[i], g[i] * clip, m[i], v[i], lr, step,
              rank * size + i < decayed ? 0.1 : 0);
      expectNear(results[0], p, 3e-7);
      expectNear(results[1], m, 3e-7);
      expectNear(results[2], v, 3e-7);
    }
}

/// Tests ranges that end at the shard's first element, before it, inside it, at
/// its end and behind it.
TEST_F(Update, ARangeStopsAtItsEnd) {
  Values p(size, 1.0), zero(size);
  for (int64_t end : {int64_t(1), size - 1, size, size + 1, size + 10,
                      2 * size - 1, 2 * size, 3 * size}) {
    auto results =
        update("adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8", end, 0.5, 0,
               "step", {p, zero, zero, zero, {0.5}, {1}, {1}});
    for (int64_t i = 0; i < size; ++i)
      ASSERT_EQ(results[0].get(i), size + i < end ? 0.75 : 1.0)
          << end << " " << i;
  }
}

TEST_F(Update, RangesInTheShardAreTheSameOnEveryRank) {
  Values p(size, 1.0), zero(size);
  for (double rank : {0.0, 3.0}) {
    auto results =
        update("adamw<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8", 10, 0.5, 0,
               "step", {p, zero, zero, zero, {0.5}, {1}, {rank}}, "{in_shard}");
    for (int64_t i = 0; i < size; ++i)
      ASSERT_EQ(results[0].get(i), i < 10 ? 0.75 : 1.0) << rank << " " << i;
  }
}

TEST_F(Update, SgdWithMomentumMatchesTorchsFormula) {
  Values p = random(size, -1, 1), g = random(size, -1, 1),
         buffer = random(size, -1, 1);
  auto results = update("sgd<momentum = 0.9", 500, 0.1, 0, "",
                        {p, g, buffer, {0.1f}, {0}});
  for (int64_t i = 0; i < size; ++i) {
    double grad = g[i] + (i < 500 ? 0.1 : 0) * p[i];
    buffer[i] = 0.9 * buffer[i] + grad;
    p[i] -= 0.1 * buffer[i];
  }
  expectNear(results[0], p, 3e-7);
  expectNear(results[1], buffer, 3e-7);
}

/// Tests the formula of torch.optim.Adam: its decay is part of the gradient.
TEST_F(Update, AdamMatchesTorchsFormula) {
  for (double step : {1.0, 37.0}) {
    Values p = random(size, -1, 1), g = random(size, -1, 1);
    Values m = random(size, -0.1, 0.1), v = random(size, 0.001, 0.01);
    auto results =
        update("adam<beta1 = 0.9, beta2 = 0.95, eps = 1.0e-8", 500, 0.1, 0,
               "step clip", {p, g, m, v, {0.125}, {step}, {0.5}, {0}});
    for (int64_t i = 0; i < size; ++i)
      adamw(p[i], 0.5 * g[i] + (i < 500 ? 0.1 : 0) * p[i], m[i], v[i], 0.125,
            step, 0);
    expectNear(results[0], p, 3e-7);
    expectNear(results[1], m, 3e-7);
    expectNear(results[2], v, 3e-7);
  }
}

/// Tests that a small gradient is not lost beside a large moment where nothing
/// of that is kept: torch.lerp goes from the nearer end.
TEST_F(Update, AMomentThatIsNotKeptIsTheGradient) {
  Values p(size, 0.0), v(size, 0.0), m(size, 1e4);
  Values g = random(size, 1e-4, 2e-4);
  auto results = update("adam<beta1 = 0.0, beta2 = 0.95, eps = 1.0e-8", size, 0,
                        0, "step", {p, g, m, v, {0.125}, {1}, {0}});
  for (int64_t i = 0; i < size; ++i)
    ASSERT_EQ(results[1].get(i), float(g[i])) << i;
}

TEST_F(Update, NesterovMatchesTorchsFormula) {
  Values p = random(size, -1, 1), g = random(size, -1, 1),
         buffer = random(size, -1, 1);
  auto results = update("sgd<momentum = 0.9, nesterov = true", 500, 0.1, 0, "",
                        {p, g, buffer, {0.125}, {0}});
  for (int64_t i = 0; i < size; ++i) {
    double grad = g[i] + (i < 500 ? 0.1 : 0) * p[i];
    buffer[i] = 0.9 * buffer[i] + grad;
    p[i] -= 0.125 * (grad + 0.9 * buffer[i]);
  }
  expectNear(results[0], p, 3e-7);
  expectNear(results[1], buffer, 3e-7);
}

/// Tests that the first step takes the gradient whole, whatever the dampening.
TEST_F(Update, DampeningBeginsWithTheSecondStep) {
  for (double step : {1.0, 2.0, 1000.0}) {
    Values p = random(size, -1, 1), g = random(size, -1, 1),
           buffer = random(size, -1, 1);
    if (step == 1)
      buffer.assign(size, 0);
    auto results = update("sgd<momentum = 0.9, dampening = 0.25", 500, 0.1, 0,
                          "step", {p, g, buffer, {0.125}, {step}, {0}});
    for (int64_t i = 0; i < size; ++i) {
      double grad = g[i] + (i < 500 ? 0.1 : 0) * p[i];
      buffer[i] = step == 1 ? grad : 0.9 * buffer[i] + 0.75 * grad;
      p[i] -= 0.125 * buffer[i];
    }
    expectNear(results[0], p, 3e-7);
    expectNear(results[1], buffer, 3e-7);
  }
}

TEST_F(Update, AdagradMatchesTorchsFormula) {
  for (double step : {1.0, 37.0})
    for (double lrDecay : {0.0, 0.25}) {
      Values p = random(size, -1, 1), g = random(size, -1, 1),
             sum = random(size, 0.1, 1);
      std::string rule = "adagrad<lr_decay = " + std::to_string(lrDecay) +
                         ", eps = 1.0e-10, initial = 0.0";
      std::vector<Values> inputs = {p, g, sum, {0.125}, {step}, {0}};
      if (lrDecay == 0)
        inputs.erase(inputs.begin() + 4);
      auto results =
          update(rule, 500, 0.1, 0, lrDecay == 0 ? "" : "step", inputs);
      for (int64_t i = 0; i < size; ++i) {
        double grad = g[i] + (i < 500 ? 0.1 : 0) * p[i];
        sum[i] += grad * grad;
        p[i] -= 0.125 / (1 + (step - 1) * lrDecay) * grad /
                (std::sqrt(sum[i]) + 1e-10);
      }
      expectNear(results[0], p, 3e-7);
      expectNear(results[1], sum, 3e-7);
    }
}

/// Tests signs of all three kinds: the first elements have neither gradient nor
/// momentum.
TEST_F(Update, LionMatchesItsPapersFormula) {
  Values p = random(size, -1, 1), g = random(size, -1, 1),
         m = random(size, -1, 1);
  for (int64_t i = 0; i < 10; ++i)
    g[i] = m[i] = 0;
  auto results = update("lion<beta1 = 0.9, beta2 = 0.99", 500, 0.1, 0, "",
                        {p, g, m, {0.125}, {0}});
  for (int64_t i = 0; i < size; ++i) {
    double mixed = 0.9 * m[i] + 0.1 * g[i];
    double sign = mixed > 0 ? 1 : mixed < 0 ? -1 : 0;
    p[i] -= 0.125 * (sign + (i < 500 ? 0.1 : 0) * p[i]);
    m[i] = 0.99 * m[i] + 0.01 * g[i];
  }
  expectNear(results[0], p, 3e-7);
  expectNear(results[1], m, 3e-7);
}

/// Tests that a range has its own learning rate.
TEST_F(Update, ARuleScalesTheLearningRate) {
  Values p(size, 1.0), g(size, 1.0);
  std::string rule = "#train.sgd<momentum = 0.0, decay = 0.0";
  auto results = run(
      "(%p: " + flat + ", %g: " + flat +
          ", %l: tensor<f32>, %r: tensor<i64>) -> " + flat,
      "%q = train.flat_update (%p, %g lr %l rank %r) [#train.range<end = 10, "
      "rule = " +
          rule + ", lr_scale = 0.5>>, #train.range<end = 1003, rule = " + rule +
          ">>] : (" + flat + ", " + flat + ", tensor<f32>, tensor<i64>) -> " +
          flat,
      "%q : " + flat, {p, g, {0.5}, {0}});
  for (int64_t i = 0; i < size; ++i)
    ASSERT_EQ(results[0].get(i), i < 10 ? 0.75 : 0.5) << i;
}

/// Tests that an average is the parameter after the first step.
TEST_F(Update, AnAverageBeginsWithTheFirstParameters) {
  std::string rule = "#train.averaged<rule = #train.sgd<momentum = 0.0, "
                     "decay = 0.0>, keep = 0.75>";
  std::string two = flat + ", " + flat;
  for (double step : {1.0, 2.0, 1000.0}) {
    Values p = random(size, -1, 1), g = random(size, -1, 1);
    Values e = step == 1 ? Values(size) : random(size, -1, 1);
    auto results =
        run("(%p: " + flat + ", %g: " + flat + ", %e: " + flat +
                ", %l: tensor<f32>, %t: tensor<f32>, %r: tensor<i64>) -> (" +
                two + ")",
            "%q:2 = train.flat_update (%p, %g states %e lr %l step %t rank %r) "
            "[#train.range<end = 1003, rule = " +
                rule + ">] : (" + two + ", " + flat +
                ", tensor<f32>, tensor<f32>, tensor<i64>) -> (" + two + ")",
            "%q#0, %q#1 : " + two, {p, g, e, {0.125}, {step}, {0}});
    for (int64_t i = 0; i < size; ++i) {
      p[i] -= 0.125 * g[i];
      e[i] = step == 1 ? p[i] : e[i] + 0.25 * (p[i] - e[i]);
    }
    expectNear(results[0], p, 3e-7);
    expectNear(results[1], e, 3e-7);
  }
}

TEST_F(Update, AFlatFillHasOneNumber) {
  expectNear(run("() -> " + flat, "%y = train.flat_fill 2.5e-01 : " + flat,
                 "%y : " + flat, {})[0],
             Values(size, 0.25), 0);
}
} // namespace
