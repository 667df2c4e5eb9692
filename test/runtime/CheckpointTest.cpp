//===- CheckpointTest.cpp - Format and files of checkpoints ---------------===//

#include "TestCheckpoint.h"
#include "checkpoint/Compare.h"
#include "checkpoint/Contents.h"
#include "checkpoint/FileWriter.h"
#include "checkpoint/Folder.h"
#include "checkpoint/IndexText.h"
#include "checkpoint/LoadStates.h"
#include "checkpoint/NewFile.h"
#include "io/ParameterLoader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::json;
namespace fs = std::filesystem;

//===----------------------------------------------------------------------===//
// Across meshes and placements
//===----------------------------------------------------------------------===//

TEST(Checkpoints, AnyMeshAndPlacementReadsAnyOther) {
  for (auto [from, fromDim0] :
       {std::pair(3, false), std::pair(2, true), std::pair(1, false)}) {
    TemporaryFolder folder;
    std::string path = writeCheckpoint(folder.path, manifestOf(from, fromDim0));
    for (auto [world, dim0] : {std::pair(1, true), std::pair(2, false),
                               std::pair(3, true), std::pair(4, false)}) {
      Manifest manifest = manifestOf(world, dim0);
      for (int rank = 0; rank < world; ++rank) {
        Memory memory(manifest, rank);
        auto loader = ParameterLoader::create(manifest, {0, path, rank});
        ASSERT_TRUE(loader.ok()) << loader.status().message();
        for (int unit : {0, 1})
          ASSERT_EQ(
              loader
                  ->loadLine(unit, 0,
                             memory.bytes.data() +
                                 manifest.units[unit].lines[0].shard.offset)
                  .message(),
              "");
        ASSERT_EQ(loadStates(*loader->checkpoint(), manifest, rank,
                             [&](int32_t, int64_t offset, int64_t count,
                                 const void *data) {
                               std::memcpy(memory.bytes.data() + offset, data,
                                           size_t(count));
                               return Status();
                             })
                      .message(),
                  "");
        size_t wrong = 0;
        memory.forEach(
            [&](const std::string &, char *at, int32_t dtype, double value) {
              wrong += lookupDType(dtype)->load(at) != value;
            });
        EXPECT_EQ(wrong, 0u) << from << " to rank " << rank << " of " << world;
      }
    }
  }
}

TEST(Checkpoints, HoldWhatIsCompiledIn) {
  TemporaryFolder folder;
  auto reader =
      CheckpointReader::open(writeCheckpoint(folder.path, manifestOf(2)));
  ASSERT_TRUE(reader.ok());
  const CheckpointParameter *ids = reader->find("model.position_ids");
  ASSERT_TRUE(ids);
  EXPECT_TRUE(ids->isCompiled && ids->isBuffer);
  int64_t positions[2] = {};
  ASSERT_EQ(
      reader->read(kBufferPlane, *ids, 0, 2, ids->dtype, positions).message(),
      "");
  EXPECT_EQ(positions[1], 1);
}

TEST(Checkpoints, TheWriterThreadWritesTheSameBytes) {
  TemporaryFolder folder;
  Manifest manifest = manifestOf(2);
  std::string path = writeCheckpoint(folder.path, manifest);
  Memory memory(manifest, 1);
  memory.forEach([](const std::string &, char *at, int32_t dtype,
                    double value) { lookupDType(dtype)->store(at, value); });
  std::atomic<int> progress{0};
  FileWriter writer(1, partsOfRank(manifest, 1), memory.reader(),
                    [&] { ++progress; });
  for (bool beside : {true, false}) {
    std::string into = folder / (beside ? "beside" : "now");
    fs::create_directory(into);
    if (beside)
      writer.start(into, 20);
    else
      writer.writeNow(into, 20);
    const Place &shard = manifest.units[0].lines[0].shard;
    int64_t all = writer.bytesBefore(0, 0, manifest.arenas[0].bytes);
    EXPECT_GT(all, 0);
    const Place &lr = manifest.scalars.at("lr"); // no part of a checkpoint
    EXPECT_EQ(writer.bytesBefore(lr.arena, lr.offset, lr.bytes), 0);
    EXPECT_EQ(writer.bytesBefore(1, 0, 1 << 20), 0);
    EXPECT_LT(writer.bytesBefore(0, shard.offset, shard.bytes), all);
    writer.waitFor(all);
    EXPECT_FALSE(writer.needs(all));
    memory.bytes.assign(memory.bytes.size(), beside ? 0 : 1); // the next update
    writer.wait();
    ASSERT_EQ(writer.state(), FileWriter::State::Done);
    if (beside) {
      EXPECT_EQ(readFile(into + "/rank-1.safetensors"),
                readFile(path + "/rank-1.safetensors"));
      EXPECT_GT(progress, 0);
    }
  }
  // A file that is there is not written onto.
  writer.start(folder / "beside", 20);
  writer.wait();
  EXPECT_EQ(writer.state(), FileWriter::State::Failed);
  EXPECT_THAT(writer.status().message(), HasSubstr("File exists"));
}

/// As many bytes, and not what the index says of them.
TEST(Checkpoints, TypesAreThoseOfTheIndex) {
  TemporaryFolder folder;
  std::string path = writeCheckpoint(folder.path, manifestOf(1));
  std::string file = path + "/rank-0.safetensors", bytes = readFile(file);
  for (size_t at; (at = bytes.find("\"F32\"")) != std::string::npos;)
    bytes.replace(at, 5, "\"I32\"");
  writeFile(file, bytes);
  auto reader = CheckpointReader::open(path);
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  int found = 0;
  for (const CheckpointParameter &parameter : reader->index().parameters) {
    std::vector<CheckpointState> planes = parameter.states;
    planes.push_back({parameter.isCompiled ? kBufferPlane : kParameterPlane,
                      parameter.dtype});
    for (const CheckpointState &plane : planes) {
      if (plane.dtype != FSDPRT_F32 || parameter.numElements() == 0)
        continue;
      float value = 0;
      EXPECT_THAT(reader->read(plane.name, parameter, 0, 1, FSDPRT_F32, &value)
                      .message(),
                  HasSubstr("tensor '" + plane.name + "/" + parameter.names[0] +
                            "' has dtype i32, expected f32"));
      ++found;
    }
  }
  EXPECT_GT(found, 1);
}

//===----------------------------------------------------------------------===//
// The index
//===----------------------------------------------------------------------===//

TEST(CheckpointIndex, ReadsWhatItWrites) {
  Manifest manifest = manifestOf(2, /*dim0=*/true);
  CheckpointIndex index = describe(manifest);
  for (int rank : {0, 1})
    index.files.push_back({rankFileName(rank), 100 + rank, sumText(rank)});
  auto read = parseIndex(writeIndex(index), "i");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(writeIndex(*read), writeIndex(index));
  EXPECT_EQ(read->counters.rows, 480);
  EXPECT_EQ(read->seed, ~uint64_t(0));
  EXPECT_EQ(read->placement, "dim0");
  EXPECT_EQ(read->parameters[0].names.size(), 2u);
  EXPECT_EQ(read->parameters[0].states[1].name, "second");
}

/// An index with other fields, and the sum that is theirs.
static std::string problemWith(const std::function<void(Json &)> &change) {
  CheckpointIndex index = describe(manifestOf(2));
  for (int rank : {0, 1})
    index.files.push_back({rankFileName(rank), 100, sumText(0)});
  Json json = Json::parse(writeIndex(index));
  json.erase("sum");
  change(json);
  std::string text = "\"," + json.dump().substr(1);
  RunningSum sum;
  sum.add(text.data(), text.size());
  auto read = parseIndex(kIndexBegin + sumText(sum.value()) + text, "i");
  return read.ok() ? "" : read.status().message();
}

TEST(CheckpointIndex, RefusesWhatIsNotOne) {
  EXPECT_EQ(problemWith([](Json &) {}), "");
  const std::pair<std::function<void(Json &)>, const char *> wrong[] = {
      {[](Json &j) { j["format"] = "other"; }, "not the index of a checkpoint"},
      {[](Json &j) { j["version"] = 2; }, "version 2, this program reads "
                                          "version 1; use a newer one"},
      {[](Json &j) { j["step"] = -1; }, "step"},
      {[](Json &j) { j["rows"] = 1.5; }, "rows"},
      {[](Json &j) { j.erase("data"); }, "data"},
      {[](Json &j) { j["files"].erase(1); }, "lists 1 files of a mesh of 2"},
      {[](Json &j) { j["files"][1]["name"] = "../x"; }, "file 1 is '../x'"},
      {[](Json &j) { j["parameters"][0]["parts"].erase(0); }, "2 ranks"},
      {[](Json &j) { j["parameters"][0]["parts"][1][0] = 0; }, "parts"},
      {[](Json &j) { j["parameters"][0]["parts"][1] = {0, 0}; }, "parts end"},
      {[](Json &j) { j["parameters"][0]["shape"] = {1 << 30, 1 << 30}; },
       "shape"},
      {[](Json &j) { j["parameters"][1]["names"] = {"model.tied.weight"}; },
       "there twice"},
      {[](Json &j) { j["parameters"][0]["states"][0]["name"] = "second"; },
       "there twice"},
      {[](Json &j) { j["mesh"][0]["size"] = 1 << 30; }, "invalid size"}};
  for (const auto &[change, message] : wrong)
    EXPECT_THAT(problemWith(change), HasSubstr(message));
}

TEST(CheckpointIndex, FlippedBitsAreRefused) {
  TemporaryFolder folder;
  std::string path = writeCheckpoint(folder.path, manifestOf(2));
  std::mt19937 random(7);
  for (std::string name :
       {std::string(kIndexName), rankFileName(0), rankFileName(1)}) {
    std::string file = path + "/" + name, whole = readFile(file);
    for (int i = 0; i < 100; ++i) {
      std::string damaged = whole;
      // The last ones are in the header, and the very first byte.
      size_t at = i < 80 ? random() % whole.size()
                         : random() % std::min<size_t>(whole.size(), 200);
      damaged[i == 99 ? 0 : at] ^= char(1 << random() % 8);
      writeFile(file, damaged);
      EXPECT_NE(problemOf(path), "") << name << " " << at;
    }
    for (size_t length :
         {size_t(0), size_t(1), whole.size() / 2, whole.size() - 1}) {
      writeFile(file, whole.substr(0, length));
      EXPECT_NE(problemOf(path), "") << name << " cut to " << length;
    }
    writeFile(file, whole + " ");
    EXPECT_NE(problemOf(path), "");
    fs::remove(file);
    EXPECT_THAT(problemOf(path), HasSubstr(name));
    writeFile(file, whole);
    EXPECT_EQ(problemOf(path), "");
  }
}

//===----------------------------------------------------------------------===//
// Going on
//===----------------------------------------------------------------------===//

TEST(CheckpointCompare, SaysWhatDiffers) {
  TemporaryFolder folder;
  Manifest manifest = manifestOf(2);
  auto reader = CheckpointReader::open(writeCheckpoint(folder.path, manifest));
  ASSERT_TRUE(reader.ok());
  auto problem = [&](const std::function<void(CheckpointIndex &)> &change) {
    CheckpointIndex run = describe(manifest);
    change(run);
    return checkSameRun(*reader, run).message();
  };
  EXPECT_EQ(problem([](CheckpointIndex &) {}), "");
  EXPECT_EQ(problem([](CheckpointIndex &run) {
              run.schedule.lr = 1;
              run.parameters = describeParameters(manifestOf(3, true));
            }),
            "");
  const std::pair<std::function<void(CheckpointIndex &)>, const char *>
      wrong[] = {
          {[](auto &r) { r.parameters[0].names = {"new"}; },
           "has no parameter 'new'"},
          {[](auto &r) { r.parameters.pop_back(); },
           "this program has no parameter 'model.position_ids'"},
          {[](auto &r) { r.parameters[0].shape = {3}; },
           "has shape [256, 12] in it, expected [3]"},
          {[](auto &r) { r.parameters[0].dtype = FSDPRT_BF16; },
           "has dtype f32 in it, expected bf16"},
          {[](auto &r) { r.parameters[0].trainable = false; },
           "is trained in it"},
          {[](auto &r) { r.parameters[0].states.pop_back(); },
           "are momentum_buffer (f32), second (bf16) in it, expected "
           "momentum_buffer (f32)"},
          {[](auto &r) { r.vocabSize = 7; }, "256 classes, expected 7"},
          {[](auto &r) { r.optimizer = "lion"; }, "sgd, expected lion"},
          {[](auto &r) { r.optimizer = ""; }, "sgd, expected none"},
          {[](auto &r) { r.data.seq = 9; }, "have 8 tokens, expected 9"},
          {[](auto &r) { r.seed = 3; }, "give --seed 18446744073709551615"},
          {[](auto &r) { r.data.shuffle = false; }, "--shuffle off"},
          {[](auto &r) { r.data.weights = ""; },
           "mixed by '2,1', this run's --weights-of-data is ''"},
          {[](auto &r) { r.data.tokens = 1; }, "12345 tokens, this run's 1"},
          {[](auto &r) { r.data.sum = "x"; }, "as many tokens"}};
  for (const auto &[change, message] : wrong)
    EXPECT_THAT(problem(change), HasSubstr(message));
}
