//===- TokenFilesTest.cpp - Several files, their formats and orders -------===//

#include "TestProgram.h"
#include "io/FilesIdentity.h"
#include "io/Mixture.h"
#include "io/TokenData.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <set>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::AllOf;
using testing::HasSubstr;

namespace {

template <typename T> std::string bytesOf(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(T));
}

/// first, first + 1, ...
template <typename T> std::string countFrom(int first, int count) {
  std::vector<T> values(count);
  for (int i = 0; i < count; ++i)
    values[i] = T(first + i);
  return bytesOf(values);
}

/// As numpy.save writes one.
std::string npy(const std::string &dtype, const std::string &shape,
                const std::string &data, int version = 1,
                const char *order = "False") {
  std::string header = "{'descr': '" + dtype + "', 'fortran_order': " + order +
                       ", 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  std::string text = "\x93NUMPY" + std::string(1, char(version)) + '\0';
  uint32_t length = uint32_t(header.size());
  text.append(reinterpret_cast<const char *>(&length), version == 1 ? 2 : 4);
  return text + header + data;
}

/// As modded-nanogpt writes one.
std::string bin(int32_t version, int32_t count, const std::string &data) {
  std::vector<int32_t> header(256);
  header[0] = 20240520;
  header[1] = version;
  header[2] = count;
  return bytesOf(header) + data;
}

class TokenFiles : public testing::Test {
protected:
  TokenFiles() { // rows of 8 tokens, 256 classes
    manifest = *parseManifest(makeManifest(1).dump(), "m");
    manifest.batch = 6;
    asked.shuffle = false;
  }

  Expected<TokenData> open(std::vector<std::string> names) {
    asked.paths.clear();
    for (const std::string &name : names)
      asked.paths.push_back(folder / name);
    return TokenData::open(manifest, asked);
  }
  std::string messageFor(const std::string &name, const std::string &data) {
    writeFile(folder / name, data);
    return open({name}).status().message();
  }
  std::vector<int64_t> batch(const TokenData &data, int64_t rows,
                             int input = 0) {
    std::vector<int64_t> tokens(manifest.batch * manifest.seq);
    Status status = data.fill(manifest.inputs[input], rows, tokens.data());
    EXPECT_TRUE(status.ok()) << status.message();
    return tokens;
  }

  TemporaryFolder folder;
  Manifest manifest;
  TokenData::Options asked;
};

} // namespace

/// Tests that every format of the same numbers gives the same batches.
TEST_F(TokenFiles, FormatsOfTheSameTokens) {
  std::string narrow = countFrom<uint16_t>(0, 200);
  const std::pair<const char *, std::string> files[] = {
      {"raw.u16", narrow},
      {"raw.u32", countFrom<uint32_t>(0, 200)},
      {"bytes.npy", npy("|u1", "(200,)", countFrom<uint8_t>(0, 200))},
      {"two.npy", npy("<u2", "(200,)", narrow)},
      {"four.npy", npy("<u4", "(200,)", countFrom<uint32_t>(0, 200), 2)},
      {"eight.npy", npy("<u8", "(200,)", countFrom<uint64_t>(0, 200), 3)},
      {"raw.bin", narrow},
      {"header.bin", bin(1, 200, narrow)}};
  for (const auto &[name, data] : files) {
    writeFile(folder / name, data);
    auto opened = open({name});
    ASSERT_TRUE(opened.ok()) << name << ": " << opened.status().message();
    EXPECT_EQ(opened->numTokens(), 200) << name;
    auto tokens = batch(*opened, 6);
    for (int i = 0; i < 48; ++i)
      EXPECT_EQ(tokens[i], 48 + i) << name;
  }
}

TEST_F(TokenFiles, RefusesWhatANumpyFileMayBeBesides) {
  std::string data = countFrom<uint16_t>(0, 200);
  EXPECT_THAT(messageFor("a.npy", data), HasSubstr("is not a .npy file"));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "(200,)", data, 4)),
              HasSubstr("version 4.0 of the .npy format, expected 1.0"));
  EXPECT_THAT(messageFor("a.npy", npy("<i2", "(200,)", data)),
              AllOf(HasSubstr("type '<i2'"), HasSubstr("astype('uint16')")));
  EXPECT_THAT(messageFor("a.npy", npy(">u2", "(200,)", data)),
              HasSubstr("type '>u2'"));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "(2, 100)", data)),
              AllOf(HasSubstr("shape (2, 100)"), HasSubstr("reshape(-1)")));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "()", data)),
              HasSubstr("expected one dimension"));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "(200,)", data, 1, "True")),
              HasSubstr("Fortran's order"));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "(201,)", data)),
              AllOf(HasSubstr("400 bytes of numbers"), HasSubstr("(201,)")));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "(9223372036854775807,)", data)),
              HasSubstr("400 bytes of numbers"));
  EXPECT_THAT(messageFor("a.npy", npy("<u2", "(x,)", data)),
              HasSubstr("cannot be read"));
  std::string whole = npy("<u2", "(200,)", data);
  for (size_t length : {0, 5, 7, 9, 11, 40, 127})
    EXPECT_NE(messageFor("a.npy", whole.substr(0, length)), "") << length;
  EXPECT_EQ(messageFor("a.npy", whole), "");
}

TEST_F(TokenFiles, RefusesHeadersThatDisagree) {
  std::string data = countFrom<uint16_t>(0, 200);
  EXPECT_THAT(messageFor("a.bin", bin(2, 200, data)),
              HasSubstr("version 2 of modded-nanogpt's header, expected 1"));
  EXPECT_THAT(messageFor("a.bin", bin(1, 201, data)),
              AllOf(HasSubstr("400 bytes of tokens"), HasSubstr("201 tokens")));
  EXPECT_THAT(messageFor("a.bin", bin(1, -1, data)), HasSubstr("-1 tokens"));
  EXPECT_THAT(messageFor("a.bin", data + "x"), HasSubstr("multiple of 2"));
}

/// Tests that a token is named by its place in its own file, header included.
TEST_F(TokenFiles, NamesTheTokenThatIsWrong) {
  std::vector<uint64_t> wide(200);
  wide[7] = ~uint64_t(0);
  EXPECT_THAT(messageFor("a.npy", npy("<u8", "(200,)", bytesOf(wide))),
              AllOf(HasSubstr("token 18446744073709551615 at position 7 (byte "
                              "184)"),
                    HasSubstr("a.npy"), HasSubstr("vocabulary of 256")));
}

/// Tests that no row crosses from a file into the next, and that all windows of
/// all files are one sequence.
TEST_F(TokenFiles, RowsDoNotCrossFiles) {
  writeFile(folder / "a.u16", countFrom<uint16_t>(0, 30));   // 3 windows
  writeFile(folder / "b.u16", countFrom<uint16_t>(100, 41)); // 5
  auto data = open({"a.u16", "b.u16"});
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->numWindows(), 8);
  EXPECT_EQ(data->numTokens(), 71);
  std::vector<int64_t> starts;
  for (int64_t row = 0; row < 9; ++row)
    starts.push_back(data->windowOf(row).first);
  EXPECT_THAT(starts, testing::ElementsAre(0, 8, 16, 0, 8, 16, 24, 32, 0));
  auto tokens = batch(*data, 2), labels = batch(*data, 2, 1);
  EXPECT_EQ(tokens[7], 23);
  EXPECT_EQ(labels[7], 24); // of a, not b's first
  EXPECT_EQ(tokens[8], 100);
  EXPECT_DOUBLE_EQ(data->epochsOf(12), 1.5);
}

TEST_F(TokenFiles, AFolderIsItsFilesByName) {
  std::filesystem::create_directory(folder / "d");
  writeFile(folder / "d/b.npy",
            npy("<u2", "(30,)", countFrom<uint16_t>(100, 30)));
  writeFile(folder / "d/a.u16", countFrom<uint16_t>(0, 30));
  writeFile(folder / "d/README.md", "not data");
  writeFile(folder / "d/.hidden.u16", "x");
  std::filesystem::create_directory(folder / "d/more.txt");
  auto data = open({"d"});
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->numFiles(), 2u);
  EXPECT_EQ(batch(*data, 0)[0], 0);
  EXPECT_EQ(batch(*data, 3)[0], 100);
  std::filesystem::create_directory(folder / "empty");
  EXPECT_THAT(open({"empty"}).status().message(),
              AllOf(HasSubstr("has no file of data"), HasSubstr(".bin")));
}

TEST_F(TokenFiles, TooLittle) {
  writeFile(folder / "a.u16", countFrom<uint16_t>(0, 30));
  writeFile(folder / "b.u16", countFrom<uint16_t>(0, 8));
  EXPECT_THAT(open({"a.u16", "b.u16"}).status().message(),
              AllOf(HasSubstr("b.u16' has 8 tokens"), HasSubstr("row of 8")));
  writeFile(folder / "b.u16", countFrom<uint16_t>(0, 9));
  EXPECT_THAT(open({"a.u16", "b.u16"}).status().message(),
              AllOf(HasSubstr("shorter than one batch"),
                    HasSubstr("4 rows of 8"), HasSubstr("needed are 6")));
}

TEST_F(TokenFiles, LabelsBelongToFiles) {
  for (const char *name : {"a.u16", "b.u16"})
    writeFile(folder / name, countFrom<uint16_t>(0, 30));
  std::filesystem::create_directory(folder / "y");
  writeFile(folder / "y/a.i32", countFrom<int32_t>(50, 30));
  writeFile(folder / "y/b.i32", countFrom<int32_t>(90, 30));
  asked.labels = {folder / "y"};
  auto data = open({"a.u16", "b.u16"});
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(batch(*data, 0, 1)[0], 51);
  EXPECT_EQ(batch(*data, 3, 1)[0], 91);
  asked.labels = {folder / "y/a.i32"};
  EXPECT_THAT(open({"a.u16", "b.u16"}).status().message(),
              HasSubstr("--labels has 1 file, expected one for each of the 2 "
                        "files of --data"));
}

/// Tests that each pass reads every window once, in an order of its own, and
/// that the first is the one that it always was.
TEST_F(TokenFiles, EveryPassHasAnOrderOfItsOwn) {
  writeFile(folder / "a.u16", std::string(2 * 801, 0));
  asked.shuffle = true;
  asked.seed = 3;
  auto data = open({"a.u16"});
  ASSERT_TRUE(data.ok()) << data.status().message();
  std::vector<std::vector<int64_t>> passes(3);
  for (int64_t row = 0; row < 300; ++row)
    passes[row / 100].push_back(data->windowOf(row).first / 8);
  for (const auto &pass : passes)
    EXPECT_EQ(std::set<int64_t>(pass.begin(), pass.end()).size(), 100u);
  EXPECT_NE(passes[0], passes[1]);
  EXPECT_NE(passes[1], passes[2]);
  EXPECT_NE(passes[0], passes[2]);
  EXPECT_THAT(std::vector<int64_t>(passes[0].begin(), passes[0].begin() + 8),
              testing::ElementsAre(87, 6, 32, 4, 97, 15, 39, 91));
}

/// Tests that what is read from a row on depends on neither ranks nor steps:
/// however a run is cut, the rows are the same in the same order.
TEST_F(TokenFiles, TheSameRowsHoweverTheyAreDealt) {
  writeFile(folder / "a.u16", countFrom<uint16_t>(0, 250));
  writeFile(folder / "b.u16", countFrom<uint16_t>(3, 250));
  asked.shuffle = true;
  asked.weights = {3, 1};
  auto dealt = [&](int world, int64_t batch) {
    manifest.batch = batch;
    asked.world = world;
    std::vector<int64_t> all;
    for (int64_t rows = 0; rows < 144; rows += batch * world)
      for (int rank = 0; rank < world; ++rank) {
        asked.rank = rank;
        auto data = open({"a.u16", "b.u16"});
        EXPECT_TRUE(data.ok()) << data.status().message();
        auto part = this->batch(*data, rows);
        all.insert(all.end(), part.begin(), part.end());
      }
    return all;
  };
  auto one = dealt(1, 12);
  EXPECT_EQ(one, dealt(2, 6));
  EXPECT_EQ(one, dealt(3, 4));
  EXPECT_EQ(one, dealt(4, 12));
  EXPECT_EQ(one, dealt(1, 1));
}

TEST_F(TokenFiles, SourcesAreMixedByWeight) {
  writeFile(folder / "a.u16", countFrom<uint16_t>(0, 81));   // 10 windows
  writeFile(folder / "b.u16", countFrom<uint16_t>(100, 41)); // 5
  asked.shuffle = true;
  asked.weights = {1, 2};
  auto data = open({"a.u16", "b.u16"});
  ASSERT_TRUE(data.ok()) << data.status().message();
  std::map<std::string, std::vector<int64_t>> read;
  for (int64_t row = 0; row < 30; ++row) {
    TokenData::Window window = data->windowOf(row);
    read[window.file->path()].push_back(window.first / 8);
  }
  auto &a = read[folder / "a.u16"], &b = read[folder / "b.u16"];
  EXPECT_EQ(std::set<int64_t>(a.begin(), a.end()).size(), 10u);
  ASSERT_EQ(b.size(), 20u); // each window 4 times, once a pass
  for (size_t pass = 0; pass < 4; ++pass)
    EXPECT_EQ(std::set<int64_t>(&b[5 * pass], &b[5 * pass] + 5).size(), 5u);
  EXPECT_DOUBLE_EQ(data->epochsOf(30), 4);
}

TEST(FilesIdentity, TellsFilesFromOthers) {
  TemporaryFolder folder;
  std::string a = countFrom<uint16_t>(0, 200), b = countFrom<uint16_t>(1, 200);
  writeFile(folder / "a", a);
  writeFile(folder / "b", b);
  writeFile(folder / "copy", a);
  auto textOf = [&](std::vector<std::string> names) {
    for (std::string &name : names)
      name = folder / name;
    auto identity = identityOf(names);
    return identity.ok() ? identity->text() : identity.status().message();
  };
  EXPECT_THAT(textOf({"a"}), testing::StartsWith("1 file, 400 bytes, sum "));
  EXPECT_EQ(textOf({"a"}), textOf({"copy"}));
  std::set<std::string> others = {textOf({"a"}), textOf({"b"}), textOf({}),
                                  textOf({"a", "b"}), textOf({"b", "a"})};
  EXPECT_EQ(others.size(), 5u);
  EXPECT_EQ(textOf({}), "none");
  EXPECT_THAT(textOf({"c"}), HasSubstr("No such file"));
}

TEST(Mixture, DealsEachSourceItsShareEvenly) {
  Mixture mixture({20, 10, 50}); // 2, 1, 5
  std::vector<int64_t> seen(3);
  for (int64_t row = 0; row < 80; ++row) {
    for (size_t source = 0; source < 3; ++source)
      EXPECT_EQ(mixture.rowsOf(source, row), seen[source]);
    Mixture::Place place = mixture(row);
    EXPECT_EQ(place.row, seen[place.source]++);
    const double weights[] = {2, 1, 5};
    for (size_t source = 0; source < 3; ++source)
      EXPECT_LT(std::abs(double(seen[source]) -
                         weights[source] / 8 * double(row + 1)),
                1)
          << row;
  }
  EXPECT_THAT(seen, testing::ElementsAre(20, 10, 50));
  EXPECT_EQ(mixture(int64_t(8) << 40).row, int64_t(5) << 40);
}

TEST(Mixture, ReadsWeights) {
  EXPECT_THAT(*parseWeights("2,1", 2), testing::ElementsAre(2, 1));
  for (const char *text : {"", "2,", ",1", "0,1", "-1,2", "0.5,1", "2;1", "a",
                           "9999,2", "99999999999999999999,1"})
    EXPECT_THAT(parseWeights(text, 2).status().message(),
                HasSubstr("expected whole numbers above 0"))
        << text;
  EXPECT_THAT(parseWeights("1,2,3", 2).status().message(),
              HasSubstr("has 3 numbers, expected one for each of the 2"));
}
