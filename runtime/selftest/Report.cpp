//===- Report.cpp - What a self-test found --------------------------------===//

#include "selftest/Report.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace fsdprt;
using namespace fsdprt::selftest;

//===----------------------------------------------------------------------===//
// All ranks'
//===----------------------------------------------------------------------===//

int64_t Result::numWrong() const {
  return std::count_if(rows.begin(), rows.end(),
                       [](const Row &row) { return !(row.ratio <= 1); });
}

/// Every rank's `mine`, as many on each, one rank's after the other's.
static Expected<std::vector<double>> gather(Control &control, int rank,
                                            const std::vector<double> &mine) {
  std::vector<double> values(mine.size() * size_t(control.numRanks()));
  std::vector<Transfer> transfers;
  for (int peer = 0; peer < control.numRanks(); ++peer)
    transfers.push_back({mine.data(), &values[peer * mine.size()],
                         int64_t(mine.size() * sizeof(double))});
  if (control.numRanks() > 1)
    FSDPRT_RETURN_IF_ERROR(control.exchange(std::move(transfers)));
  std::copy(mine.begin(), mine.end(), values.begin() + rank * mine.size());
  return values;
}

Expected<Result> selftest::gatherResult(SelfTestDevice &device, int rank) {
  Expected<double> speed = device.copySpeed();
  if (!speed.ok())
    return speed.status();
  Result result;
  result.copySpeed = *speed;
  std::vector<double> mine;
  for (const auto &kind : device.kinds()) {
    mine.push_back(kind->worst.ratio);
    mine.push_back(kind->seconds);
    result.rows.push_back({kind.get(), 0, -1});
  }
  auto values = gather(device.control(), rank, mine);
  if (!values.ok())
    return values.status();
  double worst = 1;
  for (size_t i = 0; i < values->size(); i += 2) {
    Row &row = result.rows[i / 2 % result.rows.size()];
    double ratio = (*values)[i];
    row.ratio = std::max(row.ratio, ratio);
    row.seconds = std::max(row.seconds, (*values)[i + 1]);
    if (ratio > worst) {
      worst = ratio;
      result.worstRank = int(i / mine.size());
    }
  }
  return result;
}

std::string selftest::describeWorst(const SelfTestDevice &device) {
  const Kind *worst = nullptr;
  for (const auto &kind : device.kinds())
    if (!worst || kind->worst.ratio > worst->worst.ratio)
      worst = kind.get();
  return worst->worstAt + " differs from the CPU: " + worst->worst.describe();
}

//===----------------------------------------------------------------------===//
// What is told
//===----------------------------------------------------------------------===//

static const char *nameOf(OperationClass operationClass) {
  static const char *const names[] = {"kernel", "product", "attention",
                                      "collective", "memory"};
  return names[int(operationClass)];
}

static double bytesPerSecond(const Row &row) {
  return row.seconds > 0 ? double(row.kind->bytes) / row.seconds : 0;
}

static double operationsPerSecond(const Row &row) {
  return row.seconds > 0 ? double(row.kind->operations) / row.seconds : 0;
}

static std::string number(const char *format, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

static void printRow(const Row &row, double copySpeed) {
  const Kind &kind = *row.kind;
  std::string name = kind.name + (kind.what.empty() ? "" : " " + kind.what);
  std::string speed = "-", share = "-";
  if (kind.operations && row.seconds > 0) {
    speed = number("%.3g TFLOP/s", operationsPerSecond(row) * 1e-12);
  } else if (row.seconds > 0) {
    speed = number("%.3g GB/s", bytesPerSecond(row) * 1e-9);
    if (copySpeed > 0 && kind.operationClass != OperationClass::Collective)
      share = number("%.0f %%", 100 * bytesPerSecond(row) / copySpeed);
  }
  std::printf("%-10s  %-48s  %-24s  %6lld  %9.3g  %10s  %14s  %6s%s\n",
              nameOf(kind.operationClass), name.c_str(),
              kind.unit.empty() ? "-" : kind.unit.c_str(),
              (long long)kind.count, row.ratio,
              row.seconds < 0 ? "-" : number("%.1f", row.seconds * 1e6).c_str(),
              speed.c_str(), share.c_str(), row.ratio <= 1 ? "" : "  DIFFERS");
}

void selftest::printResult(const Result &result) {
  std::printf("%-10s  %-48s  %-24s  %6s  %9s  %10s  %14s  %6s\n", "class",
              "operation", "unit of the first", "a step", "error", "us",
              "speed", "copy");
  for (int i = 0; i <= int(OperationClass::Memory); ++i)
    for (const Row &row : result.rows)
      if (int(row.kind->operationClass) == i)
        printRow(row, result.copySpeed);
  std::printf("error: of what rounding may do, 1 is the most; us: a run's, the "
              "median of 5, from cache where it fits; copy: speed beside a "
              "plain copy's");
  if (result.copySpeed > 0)
    std::printf(", %.3g GB/s read and written", result.copySpeed * 1e-9);
  std::printf("\n");
  if (int64_t wrong = result.numWrong())
    std::printf("%lld of %zu kinds of operations differ from the CPU\n",
                (long long)wrong, result.rows.size());
  else
    std::printf("all %zu kinds of operations compute what the CPU does\n",
                result.rows.size());
  std::fflush(stdout);
}

using Json = nlohmann::ordered_json;

/// JSON has no infinity; what is not known is null, too.
static Json knownOrNull(double value, bool isKnown = true) {
  return isKnown && std::isfinite(value) ? Json(value) : Json(nullptr);
}

static Json rowAsJson(const Row &row, double copySpeed) {
  const Kind &kind = *row.kind;
  bool isTimed = row.seconds > 0;
  return {{"class", nameOf(kind.operationClass)},
          {"name", kind.name},
          {"what", kind.what},
          {"unit", kind.unit},
          {"count", kind.count},
          {"error", knownOrNull(row.ratio)},
          {"allowed", 1},
          {"us", knownOrNull(row.seconds * 1e6, isTimed)},
          {"bytes", kind.bytes},
          {"copy_share", knownOrNull(bytesPerSecond(row) / copySpeed,
                                     isTimed && copySpeed > 0)},
          {"tflops", knownOrNull(operationsPerSecond(row) * 1e-12,
                                 isTimed && kind.operations > 0)},
          {"ok", row.ratio <= 1}};
}

std::string selftest::resultAsJson(const Result &result, const Device &device) {
  std::string lines;
  for (const Row &row : result.rows)
    lines += rowAsJson(row, result.copySpeed).dump() + "\n";
  Json last = {{"class", "device"},
               {"name", device.chip().empty() ? device.name() : device.chip()},
               {"copy_gb_s",
                knownOrNull(result.copySpeed * 1e-9, result.copySpeed > 0)}};
  for (const auto &[library, version] : device.versions())
    last[library] = version;
  return lines + last.dump() + "\n";
}
