//===- SameInput.h - All ranks read and were asked for the same -*- C++ -*-===//

#ifndef FSDPRT_TRAINER_SAMEINPUT_H
#define FSDPRT_TRAINER_SAMEINPUT_H

#include "comm/Control.h"
#include "core/FlightRecord.h"
#include "core/Manifest.h"
#include "trainer/CommandLine.h"

#include <array>

namespace fsdprt {

/// Something that every rank must have the same of: "--lr" and "0.001".
struct Agreed {
  std::array<char, 24> what = {};
  std::array<char, 72> value = {}; // shortened where it is longer
};

constexpr size_t kMostAgreed = 32;
using AgreedList = std::array<Agreed, kMostAgreed>;

/// What a rank reads and was asked for: data, labels, weights and the model's
/// own (how many files, how long, a sum over samples), and the numbers that
/// training depends on.
Expected<AgreedList> whatMustAgree(const RunOptions &options,
                                   const Manifest &manifest);

/// Names the first thing that differs from rank 0's, and the ranks; "" if all
/// agree.
std::string describeDifference(const std::vector<AgreedList> &ranks);

/// Fails on every rank if one of them would train on other data or by other
/// numbers than rank 0, as checkSameProgram does.
Status checkSameInput(Control &control, int rank, const FlightFile *flight,
                      const RunOptions &options, const Manifest &manifest);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_SAMEINPUT_H
