//===- CheckpointTest.cpp - Format, files and folder of checkpoints -------===//

#include "TestProgram.h"
#include "TestProgramLayout.h"
#include "checkpoint/Compare.h"
#include "checkpoint/Contents.h"
#include "checkpoint/FileWriter.h"
#include "checkpoint/Folder.h"
#include "checkpoint/IndexText.h"
#include "checkpoint/LoadStates.h"
#include "checkpoint/NewFile.h"
#include "core/DType.h"
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
// A program with states, and a rank's memory
//===----------------------------------------------------------------------===//

/// The hand-written program, each line with a state of f32 and one of bf16.
static Manifest manifestOf(int world, bool dim0 = false) {
  Json json = makeManifest(world);
  int64_t end = json["arenas"][0]["bytes"];
  for (Json &unit : json["units"])
    for (Json &line : unit["lines"]) {
      int64_t elements = line["shard_elements"];
      for (auto [name, dtype, size] : {std::tuple("momentum_buffer", "f32", 4),
                                       std::tuple("second", "bf16", 2)}) {
        line["states"].push_back({{"name", name},
                                  {"place",
                                   {{"arena", 0},
                                    {"offset", end},
                                    {"bytes", size * elements},
                                    {"dtype", dtype},
                                    {"shape", {elements}}}}});
        end += size * elements;
      }
      if (dim0)
        line["placement"] = "dim0";
    }
  if (dim0) { // behind a rank's rows of the parameter before
    json["parameters"][1]["offset"] = (VOCAB + world - 1) / world * WIDTH;
    json["parameters"][3]["offset"] = (WIDTH + world - 1) / world * VOCAB;
  }
  json["planned_peak_bytes"] = int64_t(json["planned_peak_bytes"]) + end -
                               int64_t(json["arenas"][0]["bytes"]);
  json["arenas"][0]["bytes"] = end;
  auto manifest = parseManifest(json.dump(), "m");
  EXPECT_TRUE(manifest.ok()) << manifest.status().message();
  return *manifest;
}

/// A value that a dtype of 16 bits holds, another one for each element.
static double valueOf(const std::string &plane, int64_t parameter,
                      int64_t element) {
  return double((plane.size() + 7 * parameter + element) % 251);
}

namespace {
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
} // namespace

static CheckpointIndex describe(const Manifest &manifest) {
  CheckpointIndex index;
  index.counters = {20, 480, 1};
  index.seed = ~uint64_t(0);
  index.schedule = {"cosine", 1e-3, 1e-4, 5, 100};
  index.data = {{"a.u16", "b.u16"}, 12345, 8, true, "2,1", "00ff00ff00ff00ff"};
  index.model = "model.onnx";
  index.vocabSize = manifest.vocabSize;
  index.optimizer = "sgd";
  index.mesh = manifest.mesh;
  index.placement = placementOf(manifest);
  index.parameters = describeParameters(manifest);
  return index;
}

/// A complete checkpoint of step 20 whose elements have their valueOf.
static std::string writeCheckpoint(const std::string &folder,
                                   const Manifest &manifest) {
  CheckpointIndex index = describe(manifest);
  EXPECT_EQ(makePartial(folder, 20).message(), "");
  for (int rank = 0; rank < manifest.worldSize(); ++rank) {
    Memory memory(manifest, rank);
    memory.forEach([](const std::string &, char *at, int32_t dtype,
                      double value) { lookupDType(dtype)->store(at, value); });
    std::vector<char> staging(1000); // several pieces, not all whole rows
    auto written = writeRankFile(partialFolder(folder, 20), rank, 20,
                                 partsOfRank(manifest, rank), staging.data(),
                                 int64_t(staging.size()), memory.reader());
    EXPECT_TRUE(written.ok()) << written.status().message();
    index.files.push_back(
        {rankFileName(rank), written->bytes, sumText(written->sum)});
  }
  auto file = NewFile::create(partialFolder(folder, 20) + "/" + kIndexName);
  std::string text = writeIndex(index);
  EXPECT_TRUE((*file)->append(text.data(), int64_t(text.size())).ok());
  EXPECT_TRUE((*file)->finish().ok());
  EXPECT_EQ(completePartial(folder, 20).message(), "");
  return stepFolder(folder, 20);
}

/// What is wrong with it: "" if all of it can be read.
static std::string problemOf(const std::string &checkpoint) {
  auto reader = CheckpointReader::open(checkpoint);
  if (!reader.ok())
    return reader.status().message();
  for (const CheckpointFile &file : reader->index().files)
    if (Status status = reader->checkSum(file, nullptr); !status.ok())
      return status.message();
  return "";
}

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

//===----------------------------------------------------------------------===//
// The folder
//===----------------------------------------------------------------------===//

static std::vector<int64_t> listed(const std::string &folder) {
  auto steps = listCheckpoints(folder);
  EXPECT_TRUE(steps.ok()) << steps.status().message();
  return *steps;
}

/// A checkpoint of another step, by copying.
static void copyTo(const std::string &folder, int64_t step) {
  fs::copy(stepFolder(folder, 20), stepFolder(folder, step));
}

TEST(CheckpointFolder, ListsWhatIsComplete) {
  TemporaryFolder folder;
  EXPECT_THAT(listed(folder / "none"), IsEmpty());
  writeCheckpoint(folder.path, manifestOf(1));
  copyTo(folder.path, 100);
  copyTo(folder.path, 3);
  for (const char *name : {"step-5", "step-7.partial", "step-07", "step-",
                           "step-99999999999999999999", "other"})
    fs::create_directory(folder / name);
  writeFile(folder / "step-7.partial/checkpoint.json", "{}");
  EXPECT_THAT(listed(folder.path), ElementsAre(3, 20, 100));
}

TEST(CheckpointFolder, IsOneRuns) {
  TemporaryFolder folder;
  std::string path = folder / "D";
  // Locks are between processes.
  auto otherSays = [&] {
    std::string says = folder / "says";
    pid_t other = ::fork();
    if (other == 0) {
      writeFile(says, FolderLock::take(path).status().message());
      ::_exit(0);
    }
    EXPECT_EQ(::waitpid(other, nullptr, 0), other);
    return readFile(says);
  };
  {
    auto lock = FolderLock::take(path);
    ASSERT_TRUE(lock.ok()) << lock.status().message();
    EXPECT_THAT(otherSays(),
                HasSubstr("is used by another run (process " +
                          std::to_string(::getpid()) + " is writing it)"));
  }
  EXPECT_EQ(otherSays(), "");
  EXPECT_THAT(FolderLock::take(folder / "a/b").status().message(),
              HasSubstr("cannot make folder"));
}

TEST(CheckpointFolder, OverwritesNothing) {
  TemporaryFolder folder;
  std::string path = writeCheckpoint(folder.path, manifestOf(1));
  EXPECT_THAT(makePartial(folder.path, 20).message(),
              HasSubstr("is there already"));
  // Made meanwhile, and empty: a plain rename would replace it.
  ASSERT_TRUE(makePartial(folder.path, 30).ok());
  fs::create_directory(folder / "step-30");
  EXPECT_THAT(completePartial(folder.path, 30).message(),
              HasSubstr("File exists"));
  EXPECT_EQ(problemOf(path), "");
}

TEST(CheckpointFolder, KeepsTheNewest) {
  TemporaryFolder folder;
  writeCheckpoint(folder.path, manifestOf(2));
  for (int64_t step : {30, 40, 50, 60})
    copyTo(folder.path, step);
  writeFile(folder / "step-30/notes.txt", "mine");
  writeFile(folder / "step-40/checkpoint.json", "{}");
  EXPECT_EQ(removeOldest(folder.path, 2, "").status().message(), "");
  // What holds other files, or is not readable, is not known to be ours.
  EXPECT_THAT(listed(folder.path), ElementsAre(30, 40, 50, 60));
  EXPECT_FALSE(fs::exists(folder / "step-20"));
  EXPECT_FALSE(fs::exists(folder / "step-20.partial"));
  EXPECT_EQ(removeOldest(folder.path, 7, "").status().message(), "");
  EXPECT_THAT(listed(folder.path), ElementsAre(30, 40, 50, 60));
}

TEST(CheckpointFolder, RemovesWhatAKilledRunLeaves) {
  TemporaryFolder folder;
  writeCheckpoint(folder.path, manifestOf(2));
  fs::copy(folder / "step-20", folder / "step-40.partial");
  fs::create_directory(folder / "step-60.partial");
  writeFile(folder / "shared-0a1b2c3d", "");
  for (const char *name : {"shared-01234567", "shared-notes"})
    writeFile(folder / name, name[7] == '0' ? "mine" : "");
  EXPECT_EQ(removePartials(folder.path).message(), "");
  EXPECT_FALSE(fs::exists(folder / "shared-0a1b2c3d"));
  EXPECT_TRUE(fs::exists(folder / "shared-01234567"));
  EXPECT_TRUE(fs::exists(folder / "shared-notes"));
  EXPECT_FALSE(fs::exists(folder / "step-40.partial"));
  EXPECT_FALSE(fs::exists(folder / "step-60.partial"));
  EXPECT_THAT(listed(folder.path), ElementsAre(20));
  fs::create_directory(folder / "step-60.partial");
  writeFile(folder / "step-60.partial/notes.txt", "mine");
  EXPECT_THAT(removePartials(folder.path).message(),
              HasSubstr("holds other files than a checkpoint's"));
  EXPECT_TRUE(fs::exists(folder / "step-60.partial/notes.txt"));
}

/// What a link leads to is somebody else's, whatever its files are called.
TEST(CheckpointFolder, FollowsNoLinks) {
  TemporaryFolder folder, theirs;
  std::string path = writeCheckpoint(theirs.path, manifestOf(2));
  auto refuses = [&](const std::string &link, const std::string &to) {
    fs::create_symlink(to, link);
    EXPECT_THAT(removePartials(folder.path).message(),
                HasSubstr("is a link or holds other files"));
    EXPECT_TRUE(fs::is_symlink(link));
    fs::remove(link);
    EXPECT_EQ(problemOf(path), "");
  };
  refuses(folder / "step-40.partial", path);
  fs::create_directory(folder / "step-40.partial");
  refuses(folder / "step-40.partial/rank-0.safetensors",
          path + "/rank-0.safetensors");
  EXPECT_EQ(removePartials(folder.path).message(), "");
  // Nor is it one of those that are kept.
  fs::create_symlink(path, folder / "step-10");
  writeCheckpoint(folder.path, manifestOf(2));
  EXPECT_EQ(removeOldest(folder.path, 1, "").status().message(), "");
  EXPECT_THAT(listed(folder.path), ElementsAre(10, 20));
  EXPECT_EQ(problemOf(path), "");
}

TEST(CheckpointFolder, LeavesOtherRunsAlone) {
  TemporaryFolder folder;
  writeCheckpoint(folder.path, manifestOf(2));
  for (int64_t step : {30, 40, 50})
    copyTo(folder.path, step);
  for (int64_t step : {40, 50}) {
    auto index = loadIndex(stepFolder(folder.path, step));
    ASSERT_TRUE(index.ok());
    index->run = "another1";
    writeFile(stepFolder(folder.path, step) + "/" + kIndexName,
              writeIndex(*index));
  }
  Expected<int64_t> others = removeOldest(folder.path, 1, "another1");
  ASSERT_TRUE(others.ok()) << others.status().message();
  EXPECT_EQ(*others, 2);
  EXPECT_THAT(listed(folder.path), ElementsAre(20, 30, 50));
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
