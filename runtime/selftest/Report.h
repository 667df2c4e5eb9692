//===- Report.h - What a self-test found ------------------------*- C++ -*-===//

#ifndef FSDPRT_SELFTEST_REPORT_H
#define FSDPRT_SELFTEST_REPORT_H

#include "selftest/SelfTestDevice.h"

namespace fsdprt::selftest {

/// A kind of operation, of all ranks.
struct Row {
  const Kind *kind = nullptr; // of this rank
  double ratio = 0;           // the worst rank's
  double seconds = -1;        // the slowest rank's
};

struct Result {
  std::vector<Row> rows; // as the kinds were met
  double copySpeed = 0;  // bytes a second; 0: not known
  int worstRank = -1;    // whose worst operation is the worst; -1: all agree

  int64_t numWrong() const;
};

/// Brings the ranks' results together, the same on each of them.
Expected<Result> gatherResult(SelfTestDevice &device, int rank);

/// The table, on standard output.
void printResult(const Result &result);

/// A JSON object a row, one a line, and at the end one of the device.
std::string resultAsJson(const Result &result, const Device &device);

/// "operation 17 ('layer_norm' of unit 'h.0') in step 1 differs from the CPU:
/// ...", of this rank's worst operation.
std::string describeWorst(const SelfTestDevice &device);

} // namespace fsdprt::selftest

#endif // FSDPRT_SELFTEST_REPORT_H
