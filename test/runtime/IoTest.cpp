//===- IoTest.cpp - Weights, initialisers, checkpoints --------------------===//

#include "TestProgram.h"
#include "core/DType.h"
#include "io/Checkpoint.h"
#include "io/ParameterLoader.h"
#include "io/Philox.h"
#include "io/Safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <sys/resource.h>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

static Manifest manifestOf(const Json &json) {
  auto manifest = parseManifest(json.dump(), "m");
  EXPECT_TRUE(manifest.ok()) << manifest.status().message();
  return *manifest;
}

static size_t countFiles(const std::string &folder) {
  auto files = std::filesystem::directory_iterator(folder);
  return std::distance(begin(files), end(files));
}

//===----------------------------------------------------------------------===//
// Random numbers
//===----------------------------------------------------------------------===//

TEST(Philox, KnownAnswers) { // of the Random123 distribution
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, 0),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, ~uint64_t(0)),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                   0x299f31d0a4093822),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, NormalsHaveTheirMoments) {
  double sum = 0, squares = 0, fourths = 0;
  constexpr int groups = 100000;
  for (int group = 0; group < groups; ++group)
    for (double z : normals(philoxOf(1, hashName("w"), group))) {
      sum += z;
      squares += z * z;
      fourths += z * z * z * z;
    }
  EXPECT_NEAR(sum / (4 * groups), 0, 0.01);
  EXPECT_NEAR(squares / (4 * groups), 1, 0.01);
  EXPECT_NEAR(fourths / (4 * groups), 3, 0.1);
}

//===----------------------------------------------------------------------===//
// safetensors
//===----------------------------------------------------------------------===//

static void writeTensors(
    const std::string &path,
    const std::vector<std::pair<SafetensorsWriter::Tensor, std::vector<char>>>
        &tensors) {
  std::vector<SafetensorsWriter::Tensor> list;
  for (const auto &[tensor, data] : tensors)
    list.push_back(tensor);
  auto writer = SafetensorsWriter::create(path, list);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  for (size_t i = tensors.size(); i-- > 0;) // any order
    ASSERT_TRUE((*writer)->write(i, tensors[i].second.data()).ok());
  ASSERT_TRUE((*writer)->finish().ok());
}

template <typename T> static std::vector<char> bytesOf(std::vector<T> values) {
  std::vector<char> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST(Safetensors, ReadsWhatItWrites) {
  TemporaryFolder folder;
  std::string path = folder / "a.safetensors";
  writeTensors(path, {{{"x", FSDPRT_F32, {2, 2}}, bytesOf<float>({1, 2, 3, 4})},
                      {{"scalar", FSDPRT_F64, {}}, bytesOf<double>({5})}});
  EXPECT_EQ(countFiles(folder.path), 1u);
  auto files = TensorFiles::open(path);
  ASSERT_TRUE(files.ok()) << files.status().message();
  ASSERT_EQ(files->all().size(), 2u);
  const StoredTensor &x = files->all().at("x");
  EXPECT_EQ(x.shape, (std::vector<int64_t>{2, 2}));
  float values[4];
  ASSERT_TRUE(x.file->read(values, x.offset, sizeof(values)).ok());
  EXPECT_EQ(values[3], 4);
  uint64_t headerLength;
  std::memcpy(&headerLength, readFile(path).data(), 8);
  EXPECT_EQ(headerLength % 8, 0u);
}

TEST(Safetensors, TruncatedOrCorruptedIsNamedAndNoCrash) {
  TemporaryFolder folder;
  std::string path = folder / "a.safetensors";
  writeTensors(path, {{{"x", FSDPRT_F32, {64}}, std::vector<char>(256, 1)}});
  std::string whole = readFile(path);
  for (size_t length = 0; length < whole.size(); length += 13) {
    writeFile(folder / "cut.safetensors", whole.substr(0, length));
    auto files = TensorFiles::open(folder / "cut.safetensors");
    ASSERT_FALSE(files.ok());
    EXPECT_THAT(files.status().message(), HasSubstr("cut.safetensors"));
  }
  whole[12] = '#';
  writeFile(folder / "bad.safetensors", whole);
  EXPECT_THAT(TensorFiles::open(folder / "bad.safetensors").status().message(),
              HasSubstr("corrupted"));
}

TEST(Safetensors, FindsByExactNameThenByUniqueSuffix) {
  TemporaryFolder folder;
  std::string path = folder / "a.safetensors";
  std::vector<char> one(4);
  writeTensors(path, {{{"model.h.0.w", FSDPRT_F32, {1}}, one},
                      {{"b", FSDPRT_F32, {1}}, one},
                      {{"x.b", FSDPRT_F32, {1}}, one},
                      {{"x.c", FSDPRT_F32, {1}}, one},
                      {{"y.c", FSDPRT_F32, {1}}, one}});
  auto files = TensorFiles::open(path);
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(*files->find("h.0.w"), &files->all().at("model.h.0.w"));
  EXPECT_EQ(*files->find("wrapper.model.h.0.w"),
            &files->all().at("model.h.0.w"));
  EXPECT_EQ(*files->find("b"), &files->all().at("b"));
  EXPECT_EQ(*files->find("0w"), nullptr); // no component of a name
  EXPECT_THAT(files->find("c").status().message(),
              HasSubstr("matches both 'x.c' and 'y.c'"));
}

TEST(Safetensors, ReadsAHuggingFaceIndex) {
  TemporaryFolder folder;
  writeTensors(folder / "1.safetensors",
               {{{"a", FSDPRT_F32, {1}}, std::vector<char>(4)}});
  writeTensors(folder / "2.safetensors",
               {{{"b", FSDPRT_F32, {1}}, std::vector<char>(4)}});
  Json index = {
      {"weight_map", {{"a", "1.safetensors"}, {"b", "2.safetensors"}}}};
  writeFile(folder / "model.safetensors.index.json", index.dump());
  for (std::string path :
       {folder.path, folder / "model.safetensors.index.json"}) {
    auto files = TensorFiles::open(path);
    ASSERT_TRUE(files.ok()) << files.status().message();
    EXPECT_EQ(files->all().size(), 2u);
  }
  index["weight_map"]["b"] = "../2.safetensors";
  writeFile(folder / "model.safetensors.index.json", index.dump());
  EXPECT_THAT(TensorFiles::open(folder.path).status().message(),
              HasSubstr("outside of its folder"));
}

TEST(Safetensors, LeavesNothingWhenNotFinished) {
  TemporaryFolder folder;
  std::string path = folder / "a.safetensors";
  {
    auto writer = SafetensorsWriter::create(path, {{"x", FSDPRT_F32, {1}}});
    ASSERT_TRUE(writer.ok());
    EXPECT_THAT((*writer)->finish().message(), HasSubstr("hand over 'x'"));
  }
  EXPECT_EQ(countFiles(folder.path), 0u);
}

TEST(Safetensors, AFailingWriteLeavesNothing) {
  TemporaryFolder folder;
  struct rlimit old, small = {4096, 4096};
  ::getrlimit(RLIMIT_FSIZE, &old);
  small.rlim_max = old.rlim_max;
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  {
    auto writer = SafetensorsWriter::create(folder / "a.safetensors",
                                            {{"x", FSDPRT_F32, {4096}}});
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    std::vector<char> data(16384);
    EXPECT_THAT((*writer)->write(0, data.data()).message(),
                HasSubstr("cannot write 'x'"));
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(countFiles(folder.path), 0u);
}

TEST(Safetensors, ABadOutputIsFoundBeforehand) {
  TemporaryFolder folder;
  EXPECT_THAT(checkOutput(folder / "none/a", 1).message(),
              HasSubstr("No such file"));
  writeFile(folder / "file", "");
  EXPECT_THAT(checkOutput(folder / "file/a", 1).message(),
              HasSubstr("not a folder"));
  EXPECT_THAT(checkOutput(folder.path, 1).message(), HasSubstr("is a folder"));
  EXPECT_THAT(checkOutput(folder / "a", int64_t(1) << 60).message(),
              HasSubstr("has room for"));
  EXPECT_TRUE(checkOutput(folder / "a", 1).ok());
  // Looking leaves nothing, and a link leads to what would be written.
  std::filesystem::create_symlink("none/a", folder / "link");
  EXPECT_THAT(checkOutput(folder / "link", 1).message(),
              HasSubstr("none': No such file"));
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_THAT(checkOutput(folder / "loop", 1).message(),
              HasSubstr("symbolic links"));
  EXPECT_EQ(countFiles(folder.path), 3u);
}

TEST(Safetensors, ListsTheFilesThatAreRead) {
  TemporaryFolder folder;
  EXPECT_EQ(*TensorFiles::list(folder.path),
            std::vector<std::string>{folder / "model.safetensors"});
  std::string index = folder / "model.safetensors.index.json";
  writeFile(index,
            R"({"weight_map": {"a": "1.st", "b": "2.st", "c": "1.st"}})");
  EXPECT_THAT(*TensorFiles::list(folder.path),
              ElementsAre(folder / "1.st", folder / "2.st", index));
}

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// The whole line of a unit as `world` ranks load it.
static std::vector<float> loadWhole(const Json &json, int unit,
                                    const std::string &weights = "",
                                    uint64_t seed = 0) {
  Manifest manifest = manifestOf(json);
  std::vector<float> line;
  int64_t shard = manifest.units[unit].lines[0].shardElements;
  for (int rank = 0; rank < manifest.worldSize(); ++rank) {
    auto loader =
        ParameterLoader::create(manifest, {seed, weights, rank, true, nullptr});
    EXPECT_TRUE(loader.ok()) << loader.status().message();
    if (!loader.ok())
      return {};
    std::vector<float> part(shard, 99);
    Status status = loader->loadLine(unit, 0, part.data());
    EXPECT_TRUE(status.ok()) << status.message();
    line.insert(line.end(), part.begin(), part.end());
  }
  line.resize(manifest.units[unit].lines[0].elements);
  return line;
}

TEST(ParameterLoader, InitialValuesDoNotDependOnTheWorld) {
  std::vector<float> one = loadWhole(makeManifest(1), 0);
  EXPECT_EQ(one, loadWhole(makeManifest(2), 0));
  EXPECT_EQ(one, loadWhole(makeManifest(3), 0));
  EXPECT_EQ(one.back(), 1.0f); // the gain
  EXPECT_NE(one, loadWhole(makeManifest(1), 0, "", 1));
  double squares = 0;
  for (size_t i = 0; i + 1 < one.size(); ++i)
    squares += one[i] * one[i];
  EXPECT_NEAR(std::sqrt(squares / (one.size() - 1)), 0.5, 0.02);
}

TEST(ParameterLoader, CutsBetweenRowsToTheSameValues) {
  // 256 rows of 12 and a scalar, over 4 ranks: 64 rows each; the scalar, one
  // row, is the first rank's.
  std::vector<float> flat = loadWhole(makeManifest(1), 0);
  Json json = makeManifest(4);
  Json &line = json["units"][0]["lines"][0];
  int64_t rows = 64 * 12, shard = line["shard_elements"];
  ASSERT_LE(rows + 1, shard);
  line["placement"] = "dim0";
  json["parameters"][1]["offset"] = rows;
  Manifest manifest = manifestOf(json);
  EXPECT_EQ(manifest.gatheredOffset(manifest.parameters[1]), 4 * rows);
  for (int rank = 0; rank < 4; ++rank) {
    auto loader =
        ParameterLoader::create(manifest, {0, "", rank, true, nullptr});
    ASSERT_TRUE(loader.ok()) << loader.status().message();
    std::vector<float> part(shard, 99);
    ASSERT_TRUE(loader->loadLine(0, 0, part.data()).ok());
    for (int64_t i = 0; i < rows; ++i)
      ASSERT_EQ(part[i], flat[rank * rows + i]) << rank << " " << i;
    EXPECT_EQ(part[rows], rank == 0 ? 1 : 0);
    for (int64_t i = rows + 1; i < shard; ++i)
      ASSERT_EQ(part[i], 0) << rank << " " << i;
  }
}

/// Gives parameter 2 (the head's weight, 12 x 256) a file.
static Json withSource(int world, const std::string &file, bool transposed) {
  Json json = makeManifest(world);
  Json &parameter = json["parameters"][2];
  parameter.erase("init");
  parameter["source"] = {{"file", file},
                         {"offset", 8},
                         {"bytes", 4 * 12 * 256},
                         {"transposed", transposed}};
  return json;
}

TEST(ParameterLoader, ReadsItsOwnBytesOfAFile) {
  TemporaryFolder folder;
  for (bool transposed : {false, true}) {
    std::vector<float> values(2); // the offset
    for (int i = 0; i < 12 * 256; ++i) {
      int row = transposed ? i % 12 : i / 256;
      int column = transposed ? i / 12 : i % 256;
      values.push_back(row * 1000.0f + column);
    }
    std::vector<char> bytes = bytesOf(values);
    writeFile(folder / "w", std::string(bytes.data(), bytes.size()));
    for (int world : {1, 2, 3}) {
      std::vector<float> line =
          loadWhole(withSource(world, folder / "w", transposed), 1);
      for (int i = 0; i < 12 * 256; ++i)
        ASSERT_EQ(line[i], i / 256 * 1000.0f + i % 256);
      EXPECT_EQ(line[12 * 256], 0.0f); // the bias
    }
  }
}

TEST(ParameterLoader, NamesMissingAndShortFiles) {
  TemporaryFolder folder;
  auto messageFor = [&](const Json &json, const std::string &weights = "") {
    Manifest manifest = manifestOf(json);
    return ParameterLoader::create(manifest, {0, weights, 0, true, nullptr})
        .status()
        .message();
  };
  EXPECT_THAT(messageFor(withSource(1, folder / "none", false)),
              testing::AllOf(HasSubstr("model.head.weight"),
                             HasSubstr("No such file")));
  writeFile(folder / "short", "12345678abcd");
  EXPECT_THAT(messageFor(withSource(1, folder / "short", false)),
              HasSubstr("which has 12"));
  Json json = makeManifest(1);
  json["parameters"][2].erase("init");
  EXPECT_THAT(messageFor(json), HasSubstr("neither source nor initialiser"));
  writeTensors(folder / "few.safetensors",
               {{{"model.gain", FSDPRT_F32, {}}, std::vector<char>(4)}});
  EXPECT_THAT(messageFor(makeManifest(1), folder / "few.safetensors"),
              HasSubstr("lacks 3 of 5 parameters: 'model.embedding.weight'"));
  // "weight" is the end of the name of three parameters.
  writeTensors(folder / "one.safetensors", {{{"weight", FSDPRT_F32, {256, 12}},
                                             std::vector<char>(4 * 256 * 12)}});
  EXPECT_THAT(messageFor(makeManifest(1), folder / "one.safetensors"),
              testing::AllOf(HasSubstr("'model.embedding.weight' and '"),
                             HasSubstr("both match one tensor of"),
                             HasSubstr("store each under its own")));
  writeTensors(folder / "shape.safetensors",
               {{{"embedding.weight", FSDPRT_F32, {2}}, std::vector<char>(8)}});
  EXPECT_THAT(messageFor(makeManifest(1), folder / "shape.safetensors"),
              HasSubstr("has shape [2]"));
}

TEST(ParameterLoader, WeightsWinAndAreWidened) {
  TemporaryFolder folder;
  std::vector<uint16_t> embedding(256 * 12);
  for (size_t i = 0; i < embedding.size(); ++i)
    embedding[i] = floatToBfloat16(float(i % 100));
  writeTensors(
      folder / "w.safetensors",
      {{{"tied.weight", FSDPRT_BF16, {256, 12}}, bytesOf(embedding)},
       {{"gain", FSDPRT_F16, {}}, bytesOf<uint16_t>({floatToHalf(2.5f)})},
       {{"head.weight", FSDPRT_F32, {12, 256}},
        std::vector<char>(4 * 12 * 256)},
       {{"head.bias", FSDPRT_F32, {256}}, std::vector<char>(4 * 256)}});
  std::vector<float> line =
      loadWhole(makeManifest(2), 0, folder / "w.safetensors");
  EXPECT_EQ(line[42], 42.0f);
  EXPECT_EQ(line.back(), 2.5f);
}

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

TEST(Checkpoint, HoldsEveryNameAndLoadsAgain) {
  TemporaryFolder folder;
  Json json = makeManifest(2);
  Manifest manifest = manifestOf(json);
  std::string path = folder / "out.safetensors";
  auto saver = CheckpointSaver::create(manifest, path, "model.");
  ASSERT_TRUE(saver.ok()) << saver.status().message();
  for (int unit : {0, 1})
    ASSERT_TRUE(
        (*saver)->storeLine(unit, 0, loadWhole(json, unit).data()).ok());
  ASSERT_TRUE((*saver)->finish().ok());
  auto files = TensorFiles::open(path);
  ASSERT_TRUE(files.ok());
  std::set<std::string> names;
  for (const auto &[name, tensor] : files->all())
    names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"embedding.weight", "tied.weight",
                                          "gain", "head.weight", "head.bias",
                                          "position_ids"}));
  EXPECT_EQ(files->all().at("gain").shape.size(), 0u);
  int64_t positions[2];
  const StoredTensor &ids = files->all().at("position_ids");
  ASSERT_TRUE(ids.file->read(positions, ids.offset, 16).ok());
  EXPECT_EQ(positions[1], 1);
  EXPECT_EQ(loadWhole(makeManifest(3), 0, path, 5), loadWhole(json, 0));
}

TEST(Checkpoint, APrefixThatNothingHasIsAnError) {
  TemporaryFolder folder;
  Manifest manifest = manifestOf(makeManifest(1));
  EXPECT_THAT(
      CheckpointSaver::check(manifest, folder / "a", "modle.").message(),
      HasSubstr("no parameter's prefix"));
}
