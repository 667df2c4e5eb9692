//===- TestCheckpoint.h - A checkpoint to test with -------------*- C++ -*-===//

#ifndef FSDPRT_TEST_TESTCHECKPOINT_H
#define FSDPRT_TEST_TESTCHECKPOINT_H

#include "TestProgram.h"
#include "checkpoint/Contents.h"
#include "checkpoint/FileWriter.h"
#include "core/DType.h"

#include <gtest/gtest.h>

#include <cstring>

namespace fsdprt::test {

/// The hand-written program, each line with a state of f32 and one of bf16.
Manifest manifestOf(int world, bool dim0 = false);

/// A value that a dtype of 16 bits holds, another one for each element.
double valueOf(const std::string &plane, int64_t parameter, int64_t element);

/// The state arena of one rank.
struct Memory {
  Memory(const Manifest &manifest, int rank)
      : manifest(manifest), rank(rank), bytes(manifest.arenas[0].bytes) {}

  /// Calls with each element of each plane: its place and its value.
  template <typename Each> void forEach(Each each) {
    for (const UnitSpec &unit : manifest.units)
      for (const LineSpec &line : unit.lines)
        for (int index : line.parameters) {
          OwnedElements owned =
              manifest.ownedElements(manifest.parameters[index], rank);
          for (int64_t i = owned.begin; i < owned.end; ++i) {
            auto visit = [&](const std::string &plane, const Place &place) {
              int64_t at = owned.inShard + i - owned.begin;
              each(plane,
                   bytes.data() + place.offset + at * sizeOfDType(place.dtype),
                   place.dtype, valueOf(plane, index, i));
            };
            visit(kParameterPlane, line.shard);
            for (const StateSpec &state : line.states)
              visit(state.name, state.place);
          }
        }
  }

  ReadArena reader() {
    return [this](int32_t arena, int64_t offset, int64_t count, void *to) {
      EXPECT_EQ(arena, 0);
      std::memcpy(to, bytes.data() + offset, size_t(count));
      return Status();
    };
  }

  const Manifest &manifest;
  int rank;
  std::vector<char> bytes;
};

/// What the index says of a run of it after step 20, without files.
CheckpointIndex describe(const Manifest &manifest);

/// A complete checkpoint of step 20 whose elements have their valueOf.
std::string writeCheckpoint(const std::string &folder,
                            const Manifest &manifest);

/// What is wrong with it: "" if all of it can be read.
std::string problemOf(const std::string &checkpoint);

} // namespace fsdprt::test

#endif // FSDPRT_TEST_TESTCHECKPOINT_H
