//===- FactorsTest.cpp - Updates by factored moments ----------------------===//
//
// A line of parameters is cut over ranks as lines are; what the four kernels
// make of the shards, with sums over the ranks between them, is what Adafactor
// makes of whole parameters.
//
//===----------------------------------------------------------------------===//
#include "test/passes/Kernel/KernelTestBase.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::test;

namespace {
using Values = std::vector<double>;

struct Numbers {
  double beta2Decay, eps1, eps2, d, decay, lrScale;
};

/// A parameter before and after a step; torch.optim.Adafactor's formulas in
/// double.
struct Parameter {
  std::vector<int64_t> shape;
  Numbers numbers;
  int64_t offset = 0; ///< in the line, or in each rank's own
  Values p = {}, g = {}, rows = {}, columns = {};

  bool isVector() const { return shape.size() < 2; }
  int64_t size() const {
    return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                           std::multiplies<int64_t>());
  }
  int64_t numColumns() const { return isVector() ? size() : shape.back(); }
  int64_t numRows() const { return isVector() ? 1 : shape[shape.size() - 2]; }
  int64_t batch() const { return size() / (numRows() * numColumns()); }

  /// Moves the moments by `w` to those of a gradient.
  void observe(const Values &g, double w, double clip) {
    int64_t height = numRows(), width = numColumns();
    Values rowMeans(batch() * height), columnMeans(batch() * width);
    for (int64_t i = 0; i < size(); ++i) {
      double square = std::pow(clip * g[i], 2);
      rowMeans[i / width] += square / width;
      columnMeans[i / (height * width) * width + i % width] += square / height;
    }
    rows.resize(isVector() ? 0 : rowMeans.size());
    columns.resize(columnMeans.size());
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] += w * (rowMeans[i] - rows[i]);
    for (size_t i = 0; i < columns.size(); ++i)
      columns[i] += w * (columnMeans[i] - columns[i]);
  }

  void step(double lr, double t, double clip) {
    int64_t height = numRows(), width = numColumns();
    Values u(size());
    observe(g, std::pow(t, numbers.beta2Decay), clip);
    double sumP = 0, sumU = 0;
    for (int64_t i = 0; i < size(); ++i) {
      int64_t matrix = i / (height * width);
      double v = columns[matrix * width + i % width];
      if (!isVector()) {
        double mean = 0;
        for (int64_t r = 0; r < height; ++r)
          mean += rows[matrix * height + r] / height;
        v *= rows[i / width] / std::max(mean, numbers.eps1);
      }
      u[i] = clip * g[i] / std::sqrt(std::max(v, std::pow(numbers.eps1, 2)));
      sumP += p[i] * p[i];
      sumU += u[i] * u[i];
    }
    double rate = lr * numbers.lrScale;
    double alpha = std::max(numbers.eps2, std::sqrt(sumP / size())) *
                   std::min(rate, 1 / std::sqrt(t));
    double far = std::max(1.0, std::sqrt(sumU / size()) / numbers.d);
    for (int64_t i = 0; i < size(); ++i)
      p[i] = p[i] * (1 - rate * numbers.decay) - alpha / far * u[i];
  }
};

class Factors : public KernelTest {
protected:
  int64_t ranks = 1, shardSize = 0, numFactors = 0;
  bool isFlat = true, isAveraged = false;
  std::vector<Parameter> line;
  std::string gradient = "f32";

  /// Rows that each rank has of a parameter, as elements.
  int64_t ownOf(const Parameter &parameter) {
    if (parameter.shape.empty())
      return 1;
    int64_t extent = parameter.shape[0];
    return parameter.size() / extent * llvm::divideCeil(extent, ranks);
  }

  void layOut() {
    numFactors = 0;
    int64_t end = 0;
    for (Parameter &parameter : line) {
      parameter.offset = llvm::alignTo(end, 16);
      end = parameter.offset + (isFlat ? parameter.size() : ownOf(parameter));
      parameter.p = random(parameter.size(), -1, 1);
      parameter.g = halves(parameter.size(), -2, 2);
      parameter.observe(random(parameter.size(), -1, 1), 1, 1);
      numFactors += parameter.rows.size() + parameter.columns.size();
    }
    shardSize = llvm::alignTo(isFlat ? llvm::divideCeil(end, ranks) : end, 16);
  }

  std::string pieces() {
    std::string text;
    for (const Parameter &one : line) {
      auto number = [&](const char *name, double value) {
        return llvm::formatv("{0} = {1:E}", name, value).str();
      };
      int64_t own = isFlat ? shardSize : ownOf(one);
      int64_t begin = isFlat ? 0 : one.offset;
      std::string rule =
          "#train.adafactor<" + number("beta2_decay", one.numbers.beta2Decay) +
          ", " + number("eps1", one.numbers.eps1) + ", " +
          number("eps2", one.numbers.eps2) + ", " + number("d", one.numbers.d) +
          ", " + number("decay", one.numbers.decay) + ", " +
          number("lr_scale", one.numbers.lrScale) + ">";
      if (isAveraged)
        rule = "#train.averaged<rule = " + rule + ", keep = 0.75>";
      std::string attr = "#train.piece<batch = ";
      int64_t extents[] = {one.batch(), one.isVector() ? 0 : one.numRows(),
                           one.numColumns()};
      attr += std::to_string(extents[0]) +
              ", rows = " + std::to_string(extents[1]) +
              ", columns = " + std::to_string(extents[2]) +
              ", offset = " + std::to_string(one.offset) +
              ", stride = " + std::to_string(own) +
              ", begin = " + std::to_string(begin) +
              ", end = " + std::to_string(begin + own) + ", rule = " + rule;
      text += (text.empty() ? "[" : ", ") + attr + ">";
    }
    return text + "]";
  }

  /// Element `i` of the shard of `rank`: of what `get` says of a parameter.
  template <typename Get> void forShard(int64_t rank, Get &&get) {
    for (Parameter &one : line)
      for (int64_t i = 0; i < one.size(); ++i) {
        int64_t own = isFlat ? shardSize : ownOf(one);
        int64_t begin = isFlat ? 0 : one.offset;
        int64_t place = one.offset + i - rank * own;
        if (place >= begin && place < begin + own)
          get(one, i, place);
      }
  }
  Values shardOf(int64_t rank, Values Parameter::*values) {
    Values shard(shardSize, 0.5); // between parameters
    forShard(rank, [&](Parameter &one, int64_t i, int64_t place) {
      shard[place] = (one.*values)[i];
    });
    return shard;
  }
  Values factors() {
    Values all;
    for (const Parameter &one : line)
      for (const Values &values : {one.rows, one.columns})
        all.insert(all.end(), values.begin(), values.end());
    return all;
  }

  static Values valuesOf(const Tensor &tensor, int64_t count) {
    Values values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = tensor.get(i);
    return values;
  }

  /// The sum over the ranks of what `kernel` makes of each shard.
  template <typename Kernel> Values sum(int64_t count, Kernel &&kernel) {
    Values total(count);
    for (int64_t rank = 0; rank < ranks; ++rank) {
      Values own = valuesOf(kernel(rank), count);
      for (int64_t i = 0; i < count; ++i)
        total[i] += own[i];
    }
    return total;
  }

  void check(double t);
};

void Factors::check(double t) {
  const double lr = 0.25, clip = 0.5;
  layOut();
  int64_t blocks = llvm::divideCeil(shardSize, train::kFactorBlock);
  int64_t squares = blocks * line.size(), sums = numFactors + squares;
  std::string shard = type({shardSize}, "f32"),
              grads = type({shardSize}, gradient.c_str()),
              kept = type({numFactors}, "f32"), all = type({sums}, "f64"),
              some = type({squares}, "f64"), scalar = "tensor<f32>",
              number = "tensor<i64>", attrs = pieces();
  Values before = factors();
  Values total = sum(sums, [&](int64_t rank) {
    std::string ins = shard + ", " + grads + ", " + scalar + ", " + number;
    return run("(%p: " + shard + ", %g: " + grads + ", %c: " + scalar +
                   ", %r: " + number + ") -> " + all,
               "%s = train.factor_sums (%p, %g clip %c rank %r) " + attrs +
                   " : (" + ins + ") -> " + all,
               "%s : " + all,
               {shardOf(rank, &Parameter::p),
                shardOf(rank, &Parameter::g),
                {clip},
                {double(rank)}})[0];
  });
  Tensor moved =
      run("(%f: " + kept + ", %s: " + all + ", %t: " + scalar + ") -> " + kept,
          "%u = train.factor_states (%f, %s step %t) " + attrs + " : (" + kept +
              ", " + all + ", " + scalar + ") -> " + kept,
          "%u : " + kept, {before, total, {t}})[0];
  Values after = valuesOf(moved, numFactors);
  Values squared = sum(squares, [&](int64_t rank) {
    std::string ins = grads + ", " + kept + ", " + scalar + ", " + number;
    return run(
        "(%g: " + grads + ", %f: " + kept + ", %c: " + scalar +
            ", %r: " + number + ") -> " + some,
        "%q = train.factor_squares (%g factors %f clip %c rank %r) " + attrs +
            " : (" + ins + ") -> " + some,
        "%q : " + some,
        {shardOf(rank, &Parameter::g), after, {clip}, {double(rank)}})[0];
  });
  std::vector<std::vector<Tensor>> updated;
  Values average = random(shardSize, -1, 1);
  for (int64_t rank = 0; rank < ranks; ++rank) {
    std::string half = type({shardSize}, "bf16");
    std::string outs = shard + (isAveraged ? ", " + shard : "") + ", " + half;
    std::string ins = shard + ", " + grads + (isAveraged ? ", " + shard : "") +
                      ", " + kept + ", " + all + ", " + some + ", " + scalar +
                      ", " + scalar + ", " + scalar + ", " + number;
    std::string three = isAveraged ? "3" : "2";
    std::vector<Values> inputs = {shardOf(rank, &Parameter::p),
                                  shardOf(rank, &Parameter::g),
                                  after,
                                  total,
                                  squared,
                                  {lr},
                                  {t},
                                  {clip},
                                  {double(rank)}};
    if (isAveraged)
      inputs.insert(inputs.begin() + 2, average);
    updated.push_back(run(
        "(%p: " + shard + ", %g: " + grads +
            (isAveraged ? ", %e: " + shard : "") + ", %f: " + kept + ", %s: " +
            all + ", %q: " + some + ", %l: " + scalar + ", %t: " + scalar +
            ", %c: " + scalar + ", %r: " + number + ") -> (" + outs + ")",
        "%n:" + three + " = train.factor_update (%p, %g " +
            (isAveraged ? "states %e " : "") +
            "factors %f sums %s, %q lr %l step %t clip %c rank %r) " + attrs +
            " : (" + ins + ") -> (" + outs + ")",
        (isAveraged ? "%n#0, %n#1, %n#2 : " : "%n#0, %n#1 : ") + outs, inputs));
  }
  std::vector<Values> wanted;
  for (int64_t rank = 0; rank < ranks; ++rank)
    wanted.push_back(shardOf(rank, &Parameter::p));
  for (Parameter &one : line)
    one.step(lr, t, clip);
  expectNear(moved, factors(), 3e-7);
  for (int64_t rank = 0; rank < ranks; ++rank) {
    Values after = wanted[rank], mean = average;
    forShard(rank, [&](Parameter &one, int64_t i, int64_t place) {
      after[place] = one.p[i];
      mean[place] += (t == 1 ? 1 : 0.25) * (one.p[i] - mean[place]);
    });
    expectNear(updated[rank][0], after, 1e-6);
    if (isAveraged)
      expectNear(updated[rank][1], mean, 1e-6);
    expectRounded(updated[rank].back(), after, 1e-6);
  }
}

const Numbers kUsual = {-0.8, 1e-6, 1e-3, 1, 0, 1};
const Numbers kOther = {-0.5, 0.25, 4, 2, 0.125, 0.5};

/// Tests matrices, a vector, a scalar, matrices of a third dimension and one of
/// a single row, with ends inside of rows and of no element on some ranks.
TEST_F(Factors, SumsOverRanksMakeWholeParameters) {
  for (int64_t world : {1, 2, 3, 8})
    for (double t : {1.0, 37.0}) {
      ranks = world;
      line = {{{5, 7}, kUsual}, {{11}, kOther},        {{2, 3, 4}, kOther},
              {{}, kUsual},     {{1, 19}, kOther},     {{23, 1}, kUsual},
              {{3}, kUsual},    {{2, 2, 3, 3}, kUsual}};
      check(t);
    }
}

/// Tests whole rows on each rank, and ranks that have none.
TEST_F(Factors, RowsOfRanks) {
  isFlat = false;
  for (int64_t world : {1, 2, 3, 8}) {
    ranks = world;
    line = {{{5, 7}, kUsual},
            {{11}, kOther},
            {{2, 3, 4}, kOther},
            {{}, kUsual},
            {{9, 2}, kOther}};
    check(3);
  }
}

/// Tests several blocks of a shard and of columns.
TEST_F(Factors, LargerThanABlock) {
  line = {{{70, 517}, kOther}, {{40000}, kUsual}};
  for (int64_t world : {1, 2}) {
    ranks = world;
    check(2);
  }
}

/// Tests gradients that were reduced in bf16.
TEST_F(Factors, GradientsInHalfPrecision) {
  gradient = "bf16";
  ranks = 2;
  line = {{{5, 7}, kUsual}, {{11}, kOther}};
  check(2);
}

/// Tests an average of the parameters, which begins with the first.
TEST_F(Factors, Averages) {
  isAveraged = true;
  ranks = 2;
  line = {{{5, 7}, kUsual}, {{11}, kOther}};
  for (double t : {1.0, 2.0})
    check(t);
}
} // namespace
